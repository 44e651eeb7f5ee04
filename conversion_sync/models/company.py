"""Companies, known to the API by the site's own id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from conversion_sync.api.keys import normal_id
from conversion_sync.models.attribution import attribution
from conversion_sync.models.changes import RowChange
from conversion_sync.models.deletion import Deletion
from conversion_sync.models.fields import (
    ExternalIdField,
    LineField,
    ObjectField,
    RecordKeyField,
    WebAddressField,
)
from conversion_sync.models.moving import move
from conversion_sync.models.priority import (
    has_none_to_prioritize,
    in_background,
    prioritize_deletions,
)
from conversion_sync.models.querysets import RecordManager
from conversion_sync.models.record import Record
from conversion_sync.models.state import PERSON
from conversion_sync.models.synced import RIGHTS, Proof
from conversion_sync.models.tombstones import leave_for_deleted
from conversion_sync.models.validators import name_clash, validate_domain, validate_json_object

__all__ = ["Company"]


class Company(Record):
    """A company, pushed by ``POST /companies/batch``."""

    external_id = ExternalIdField(
        _("external id"), max_length=255, help_text=_("Your own unique identifier of the company.")
    )
    key = RecordKeyField(_("key"), max_length=255, source="external_id", normal=normal_id)
    base_domain = LineField(
        _("domain"),
        max_length=253,
        blank=True,
        validators=[validate_domain],
        help_text=_("Such as “example.com”. Recommended: Conversion matches people by it."),
    )
    company_name = LineField(_("name"), max_length=255, blank=True)
    industry = LineField(_("industry"), max_length=255, blank=True)
    size = LineField(
        _("size"), max_length=32, blank=True, help_text=_("A range of people, such as “51-200”.")
    )
    annual_revenue = models.PositiveBigIntegerField(
        _("annual revenue"), null=True, blank=True, help_text=_("In US dollars.")
    )
    location = LineField(_("location"), max_length=255, blank=True)
    website = WebAddressField(_("website"), max_length=500, blank=True)
    custom_variables = ObjectField(
        _("custom variables"), default=dict, blank=True, validators=[validate_json_object]
    )
    #: The revision with a name that the contacts, who carry it, have still to be marked for.
    renamed_revision = models.PositiveBigIntegerField(
        _("renamed"), null=True, default=None, editable=False
    )

    objects = RecordManager()

    KEY = "external_id"
    STATE = (*Record.STATE, "renamed_revision")
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
        base_manager_name = "objects"
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
            models.Index(fields=["renamed_revision"], name="conversion_company_renamed"),
        )

    def __str__(self) -> str:
        return self.company_name or self.external_id

    def clean(self) -> None:
        """Say at the field what is wrong, in the words of a person."""
        self.external_id = self.external_id.strip()
        errors = dict[str, ValidationError]()
        if self.external_id and self.key_is_taken():
            errors["external_id"] = ValidationError(
                _("There is already a company with this id."), code="unique"
            )
        if clash := name_clash(self.custom_variables, self.COMMON):
            errors["custom_variables"] = clash
        if errors:
            raise ValidationError(errors)

    def _proof_of(self, written: set[str]) -> Proof | None:
        proof = super()._proof_of(written)
        if proof is None or "company_name" not in written:
            return proof
        # Of a new name the contacts are told.
        return [*proof, (self._meta.get_field("company_name"), self.company_name)]

    @classmethod
    def _entailing(cls, using: str, priority: int, key: str) -> Sequence[models.QuerySet[Any]]:

        deletions = in_background(using, Deletion.Kind.COMPANY, [key])
        return [*([deletions] if priority == PERSON else [])]

    @classmethod
    def _usual(cls, using: str, priority: int) -> models.Q:
        return has_none_to_prioritize(using, Deletion.Kind.COMPANY, priority)

    @classmethod
    def _moved(cls, using: str, changes: Sequence[RowChange]) -> None:
        moves = [(change.before, cls._key_of(change.after)) for change in changes]
        move(cls, using, Deletion.Kind.COMPANY, moves)

    @classmethod
    def _changed(cls, using: str, changes: Sequence[RowChange]) -> None:
        # Of contacts that others are putting into the company nobody knows before the commit.
        renamed = [
            change.before["pk"]
            for change in changes
            if change.before["company_name"] != change.after["company_name"]
        ]
        if renamed:
            rows = cls.unmarked.using(using).filter(pk__in=renamed)
            rows.update(renamed_revision=models.F("revision"))
        super()._changed(using, changes)
        if not attribution().bulk:
            keys = [change.after["key"] for change in changes]
            prioritize_deletions(using, Deletion.Kind.COMPANY, keys)

    @classmethod
    def _inserted(cls, using: str, rows: Sequence[Self]) -> None:
        if not attribution().bulk:
            prioritize_deletions(using, Deletion.Kind.COMPANY, [row.key for row in rows])

    @classmethod
    def _deleting(cls, using: str, before: Sequence[dict[str, Any]]) -> None:
        super()._deleting(using, before)
        # SET_NULL passes the managers by: done here, it marks the contacts.
        contacts = apps.get_model("conversion_sync", "Contact").objects.using(using)
        contacts.filter(company__in=[row["pk"] for row in before]).mark(company=None)
        leave_for_deleted(using, Deletion.Kind.COMPANY, before)
