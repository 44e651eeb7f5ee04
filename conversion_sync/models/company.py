"""Companies, known to the API by the site's own id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from conversion_sync.api.wire import normal_id
from conversion_sync.models.base import RIGHTS, Pair, Record, RecordManager, attribution
from conversion_sync.models.deletion import Deletion
from conversion_sync.models.fields import WebAddressField
from conversion_sync.models.validators import validate_domain, validate_json_object

__all__ = ["Company"]


class Company(Record):
    """A company, pushed by ``POST /companies/batch``."""

    external_id = models.CharField(
        _("external id"), max_length=255, help_text=_("Your own unique identifier of the company.")
    )
    base_domain = models.CharField(
        _("domain"),
        max_length=253,
        blank=True,
        validators=[validate_domain],
        help_text=_("Such as “example.com”. Recommended: Conversion matches people by it."),
    )
    company_name = models.CharField(_("name"), max_length=255, blank=True)
    industry = models.CharField(_("industry"), max_length=255, blank=True)
    size = models.CharField(
        _("size"), max_length=32, blank=True, help_text=_("A range of people, such as “51-200”.")
    )
    annual_revenue = models.PositiveBigIntegerField(
        _("annual revenue"), null=True, blank=True, help_text=_("In US dollars.")
    )
    location = models.CharField(_("location"), max_length=255, blank=True)
    website = WebAddressField(_("website"), max_length=500, blank=True)
    custom_variables = models.JSONField(
        _("custom variables"), default=dict, blank=True, validators=[validate_json_object]
    )

    objects = RecordManager()

    KEY = "external_id"
    LOCKED = (*Record.LOCKED, "external_id", "company_name")
    WATCHED = frozenset({"external_id", "company_name"})
    COMMON: ClassVar[tuple[str, ...]] = (
        "company_name",
        "industry",
        "size",
        "annual_revenue",
        "location",
        "website",
    )

    class Meta:
        verbose_name = _("company")
        verbose_name_plural = _("companies")
        default_permissions = (*RIGHTS, "import", "export")
        ordering = ("pk",)
        indexes = (
            models.Index(fields=["priority", "due_at"], name="conversion_company_due"),
            models.Index(
                fields=["sync_status", "last_error_code", "id"], name="conversion_company_state"
            ),
            models.Index(fields=["company_name", "id"], name="conversion_company_name"),
            models.Index(
                fields=["company_name"],
                name="conversion_company_name_like",
                opclasses=["varchar_pattern_ops"],
            ),
            models.Index(fields=["updated_at"], name="conversion_company_updated"),
        )

    def __str__(self) -> str:
        return self.company_name or self.external_id

    @staticmethod
    def normal_key(value: str) -> str:
        return normal_id(value)

    def clean(self) -> None:
        """Say at the field what is wrong, in the words of a person."""
        self.external_id = normal_id(self.external_id)
        errors = dict[str, ValidationError]()
        others = type(self).unmarked.exclude(pk=self.pk)
        if self.external_id and others.filter(key=self.normal_key(self.external_id)).exists():
            errors["external_id"] = ValidationError(
                _("There is already a company with this id."), code="unique"
            )
        if clash := clashing(self.custom_variables, self.COMMON):
            errors["custom_variables"] = clash
        if errors:
            raise ValidationError(errors)

    @classmethod
    def _key_changed(cls, using: str, before: dict[str, Any], key: str) -> None:
        Deletion.leave_for_changed_key(using, Deletion.Kind.COMPANY, before)

    @classmethod
    def _changed(cls, using: str, pairs: Sequence[Pair]) -> None:
        # The contacts first: who settles them refers to the company, and a new key shuts that off.
        renamed = [b["pk"] for b, a in pairs if b["company_name"] != a["company_name"]]
        if renamed:
            _mark_contacts(using, renamed)
        super()._changed(using, pairs)
        if not attribution().bulk:
            Deletion.hasten(using, Deletion.Kind.COMPANY, [a["key"] for _, a in pairs])

    @classmethod
    def _deleting(cls, using: str, before: Sequence[dict[str, Any]]) -> None:
        _mark_contacts(using, [row["pk"] for row in before])
        Deletion.leave_for_deleted(using, Deletion.Kind.COMPANY, before)


def _mark_contacts(using: str, companies: Sequence[int]) -> None:
    """The contacts carry their company's name; SET_NULL passes the managers by."""
    from conversion_sync.models.contact import Contact

    Contact.objects.using(using).filter(company__in=companies).mark()


def clashing(variables: Any, common: Sequence[str]) -> ValidationError | None:
    """An error if a custom variable has the name of a column, else None."""
    names = (
        [name for name in variables if name.strip() in common]
        if isinstance(variables, dict)
        else []
    )
    if not names:
        return None
    return ValidationError(
        _("“%(name)s” has a field of its own on this page: enter it there."),
        code="common",
        params={"name": names[0]},
    )
