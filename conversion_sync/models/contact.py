"""Contacts, known to the API by their email."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, ClassVar, Self

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from conversion_sync.api.wire import normal_email
from conversion_sync.models.base import (
    BULK,
    PERSON,
    RIGHTS,
    Pair,
    Record,
    RecordManager,
    attribution,
)
from conversion_sync.models.company import Company, clashing
from conversion_sync.models.deletion import Deletion
from conversion_sync.models.fields import AssignedField, WebAddressField
from conversion_sync.models.subscription import Subscription, SubscriptionChange
from conversion_sync.models.validators import validate_json_object

__all__ = ["Contact"]


class Contact(Record):
    """A person, pushed by ``POST /contacts/batch``.

    ``subscription_status`` is no part of that call: a change of it is entered in the consent
    log (``SubscriptionChange``), which is sent by an endpoint of its own.
    """

    email = models.EmailField(_("email"), max_length=254)
    first_name = models.CharField(_("first name"), max_length=150, blank=True)
    last_name = models.CharField(_("last name"), max_length=150, blank=True)
    phone = models.CharField(_("phone"), max_length=64, blank=True)
    title = models.CharField(_("job title"), max_length=255, blank=True)
    linkedin_url = WebAddressField(_("LinkedIn address"), max_length=500, blank=True)
    company = models.ForeignKey(
        Company,
        verbose_name=_("company"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="contacts",
    )
    subscription_status = AssignedField(
        _("subscription"),
        max_length=12,
        blank=True,
        choices=Subscription.choices,
        help_text=_("Blank: this site says nothing about it."),
    )
    external_contact = models.JSONField(
        _("reference data"),
        default=dict,
        blank=True,
        validators=[validate_json_object],
        help_text=_("What your own systems know this person by."),
    )
    custom_variables = models.JSONField(
        _("custom variables"), default=dict, blank=True, validators=[validate_json_object]
    )
    remote_created_at = models.DateTimeField(
        _("created in Conversion by us"), null=True, default=None, editable=False
    )

    objects = RecordManager()

    KEY = "email"
    STATE = (*Record.STATE, "remote_created_at")
    FORGOTTEN: ClassVar[dict[str, Any]] = {**Record.FORGOTTEN, "remote_created_at": None}
    LOCKED = (*Record.LOCKED, "email", "subscription_status")
    WATCHED = frozenset({"email", "subscription_status"})
    QUIET = Record.QUIET | {"subscription_status"}
    COMMON: ClassVar[tuple[str, ...]] = (
        "first_name",
        "last_name",
        "phone",
        "company_name",
        "title",
        "linkedin_url",
    )

    class Meta:
        verbose_name = _("contact")
        verbose_name_plural = _("contacts")
        default_permissions = (*RIGHTS, "import", "export")
        permissions = (("set_subscription", _("Can set the subscription of contacts")),)
        ordering = ("pk",)
        indexes = (
            models.Index(fields=["priority", "due_at"], name="conversion_contact_due"),
            models.Index(
                fields=["sync_status", "last_error_code", "id"], name="conversion_contact_state"
            ),
            models.Index(fields=["last_name", "id"], name="conversion_contact_last_name"),
            models.Index(
                fields=["last_name"],
                name="conversion_contact_name_like",
                opclasses=["varchar_pattern_ops"],
            ),
            models.Index(fields=["subscription_status"], name="conversion_contact_consent"),
            models.Index(fields=["updated_at"], name="conversion_contact_updated"),
        )

    def __str__(self) -> str:
        name = f"{self.first_name} {self.last_name}".strip()
        return f"{name} <{self.email}>" if name else self.email

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> Self:
        """As Django's; loading a column is not assigning it."""
        row = super().from_db(*args, **kwargs)
        row.__dict__.pop("_subscription_status_assigned", None)
        return row

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        """As Django's; loading a column is not assigning it."""
        assigned = self.__dict__.get("_subscription_status_assigned")
        super().refresh_from_db(*args, **kwargs)
        fields = kwargs.get("fields", args[1] if len(args) > 1 else None)
        if fields is None or "subscription_status" in fields:
            assigned = None
        self.__dict__["_subscription_status_assigned"] = assigned

    @staticmethod
    def normal_key(value: str) -> str:
        return normal_email(value)

    def clean(self) -> None:
        """Say at the field what is wrong, in the words of a person."""
        errors = dict[str, ValidationError]()
        others = type(self).unmarked.exclude(pk=self.pk)
        if self.email and others.filter(key=self.normal_key(self.email)).exists():
            errors["email"] = ValidationError(
                _("There is already a contact with this email (capitals make no difference)."),
                code="unique",
            )
        if clash := clashing(self.custom_variables, self.COMMON):
            errors["custom_variables"] = clash
        if errors:
            raise ValidationError(errors)

    def keep_subscription(self) -> None:
        """Have the next ``save`` leave the subscription as the database has it."""
        self.__dict__.pop("_subscription_status_assigned", None)

    def _written(self, update_fields: set[str] | None) -> set[str]:
        written = super()._written(update_fields)
        if not self.__dict__.get("_subscription_status_assigned"):
            written.discard("subscription_status")
        return written

    def _unwritten(self) -> set[str]:
        return super()._unwritten() | {"subscription_status"}

    def save(self, *args: Any, **kwargs: Any) -> None:
        """As ``SyncedModel.save``; an assigned subscription is entered in the consent log."""
        super().save(*args, **kwargs)
        fields = kwargs.get("update_fields")
        if fields is None or "subscription_status" in fields:
            self.keep_subscription()

    @classmethod
    def _key_changed(cls, using: str, before: dict[str, Any], key: str) -> None:
        Deletion.leave_for_changed_key(using, Deletion.Kind.CONTACT, before)
        SubscriptionChange.follow_key(using, before, key)

    @classmethod
    def _changed(cls, using: str, pairs: Sequence[Pair]) -> None:
        super()._changed(using, pairs)
        SubscriptionChange.enter(
            using,
            (
                SubscriptionChange(
                    contact_id=before["pk"],
                    address=cls.normal_key(after["email"]),
                    status=after["subscription_status"],
                    previous_status=before["subscription_status"],
                )
                for before, after in pairs
                if after["subscription_status"] != before["subscription_status"]
            ),
        )
        if not attribution().bulk:
            keys = [cls.normal_key(after["email"]) for _, after in pairs]
            Deletion.hasten(using, Deletion.Kind.CONTACT, keys)

    @classmethod
    def _inserted(cls, using: str, rows: Sequence[Self]) -> None:
        SubscriptionChange.enter(
            using,
            (
                SubscriptionChange(
                    contact_id=row.pk, address=row.key, status=row.subscription_status
                )
                for row in rows
                if row.subscription_status
            ),
        )
        for row in rows:
            row.keep_subscription()
        if not attribution().bulk:
            Deletion.hasten(using, Deletion.Kind.CONTACT, [row.key for row in rows])

    @classmethod
    def _deleting(cls, using: str, before: Sequence[dict[str, Any]]) -> None:
        Deletion.leave_for_deleted(using, Deletion.Kind.CONTACT, before)
        SubscriptionChange.moot(using, [row["pk"] for row in before])

    @classmethod
    def hasten(cls, using: str, contacts: Collection[int]) -> None:
        """A person waits for what these contacts hold up."""
        rows = cls.unmarked.using(using).filter(pk__in=contacts, due_at__isnull=False)
        keys = list(rows.filter(priority=BULK).values_list("key", flat=True))
        if keys:
            rows.filter(priority=BULK).update(priority=PERSON)
            Deletion.hasten(using, Deletion.Kind.CONTACT, keys)
