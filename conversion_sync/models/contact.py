"""Contacts, known to the API by their email."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, ClassVar, Self

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from conversion_sync.api.keys import normal_email
from conversion_sync.conf import conf
from conversion_sync.models.assigned import Assignment, enter_assigned
from conversion_sync.models.assigning import AssigningRecord
from conversion_sync.models.attribution import attribution
from conversion_sync.models.changes import RowChange
from conversion_sync.models.clock import DbNow
from conversion_sync.models.company import Company
from conversion_sync.models.deletion import Deletion
from conversion_sync.models.erased import trace
from conversion_sync.models.fields import (
    AddressField,
    AssignedField,
    InstantField,
    LineField,
    ObjectField,
    RecordKeyField,
    WebAddressField,
)
from conversion_sync.models.known import is_known
from conversion_sync.models.leaving import (
    enter_opt_outs_of_column,
    follow_key,
    stay_opted_out,
    supersede_repeated,
    supersede_wishes,
)
from conversion_sync.models.moving import move
from conversion_sync.models.newcomers import enter_new
from conversion_sync.models.priority import (
    has_none_to_prioritize,
    in_background,
    prioritize_deletions,
)
from conversion_sync.models.querysets import RecordManager
from conversion_sync.models.record import Record
from conversion_sync.models.state import PERSON
from conversion_sync.models.subscription import OUT, Subscription
from conversion_sync.models.subscription_change import SubscriptionChange
from conversion_sync.models.subscription_column import reflect
from conversion_sync.models.synced import RIGHTS
from conversion_sync.models.tombstones import leave_for_deleted
from conversion_sync.models.validators import name_clash, validate_json_object

__all__ = ["Contact"]


class Contact(AssigningRecord):
    """A person, pushed by ``POST /contacts/batch``.

    ``subscription_status`` is no part of that call: a change of it is entered in the consent
    log (``SubscriptionChange``), which is sent by an endpoint of its own. The column holds what
    stands in the log: while an opt-out does, a later wish to subscribe is in the log alone, and
    the column follows when it is let through.
    """

    email = AddressField(_("email"), max_length=254)
    key = RecordKeyField(_("key"), max_length=255, source="email", normal=normal_email)
    first_name = LineField(_("first name"), max_length=150, blank=True)
    last_name = LineField(_("last name"), max_length=150, blank=True)
    phone = LineField(_("phone"), max_length=64, blank=True)
    title = LineField(_("job title"), max_length=255, blank=True)
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
    external_contact = ObjectField(
        _("reference data"),
        default=dict,
        blank=True,
        validators=[validate_json_object],
        help_text=_("What your own systems know this person by."),
    )
    custom_variables = ObjectField(
        _("custom variables"), default=dict, blank=True, validators=[validate_json_object]
    )
    remote_created_at = InstantField(
        _("created in Conversion by us"), null=True, default=None, editable=False
    )

    objects = RecordManager()

    KEY = "email"
    STATE = (*Record.STATE, "remote_created_at")
    FORGOTTEN: ClassVar[dict[str, Any]] = {**Record.FORGOTTEN, "remote_created_at": None}
    LOCKED = (
        *Record.LOCKED,
        "email",
        "subscription_status",
        "sent_revision",
        "synced_revision",
    )
    WATCHED = frozenset({"email", "subscription_status"})
    QUIET = Record.QUIET | {"subscription_status"}
    SETTLED_BY = (*Record.SETTLED_BY, "email", "subscription_status")
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
        base_manager_name = "objects"
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

    def clean(self) -> None:
        """Say at the field what is wrong, in the words of a person."""
        errors = dict[str, ValidationError]()
        if self.email and self.key_is_taken():
            errors["email"] = ValidationError(
                _("There is already a contact with this email (capitals make no difference)."),
                code="unique",
            )
        if clash := name_clash(self.custom_variables, self.COMMON):
            errors["custom_variables"] = clash
        if errors:
            raise ValidationError(errors)

    @classmethod
    def arrival(cls, *, created: bool) -> dict[str, Any]:
        made = {"remote_created_at": DbNow()} if created else {}
        return super().arrival(created=created) | made

    @classmethod
    def take_keys(cls, using: str, pks: Collection[int]) -> list[int]:
        """As ``Record.take_keys``; an opt-out of a row without a key stands for the key at once."""
        failed = super().take_keys(using, pks)
        rows = cls.unmarked.using(using).filter(pk__in=failed, subscription_status=OUT)
        keys = {row.pk: row.wanted_key for row in rows.only("pk", "key", "email")}
        enter_assigned(using, [Assignment(pk, key, OUT, OUT) for pk, key in keys.items()])
        return failed

    @classmethod
    def _entailing(cls, using: str, priority: int, key: str) -> Sequence[models.QuerySet[Any]]:
        known = (key, trace(key))
        log = SubscriptionChange.objects.using(using).filter(address__in=known).order_by()
        deletions = in_background(using, Deletion.Kind.CONTACT, [key])
        return [log, *([deletions] if priority == PERSON else [])]

    @classmethod
    def _usual(cls, using: str, priority: int) -> models.Q:
        return has_none_to_prioritize(using, Deletion.Kind.CONTACT, priority)

    @classmethod
    def _moved(cls, using: str, changes: Sequence[RowChange]) -> None:
        people = [
            (change.before["pk"], cls.normal_key(change.before["email"])) for change in changes
        ]
        standing = SubscriptionChange.standing_opt_outs(using, people)
        left = {pk for (pk, _), out in zip(people, standing, strict=True) if out is not None}
        for change in changes:
            old, new = (cls.normal_key(row["email"]) for row in (change.before, change.after))
            follow_key(using, change.before | {"key": old}, new)
        moves = [(change.before, cls._key_of(change.after)) for change in changes]
        keys = {key for _, key in moves if key is not None}
        SubscriptionChange.recall(using, keys)
        Deletion.recall(using, keys)
        supersede_repeated(using, move(cls, using, Deletion.Kind.CONTACT, moves))
        # Elsewhere other opt-outs stand for the address.
        reflect(using, [pk for pk, _ in people], left=left)

    @classmethod
    def _changed(cls, using: str, changes: Sequence[RowChange]) -> None:
        super()._changed(using, changes)
        enter_assigned(
            using,
            [
                Assignment(
                    before["pk"],
                    cls.normal_key(after["email"]),
                    after["subscription_status"],
                    before["subscription_status"],
                )
                for before, after, written in changes
                if "subscription_status" in written
            ],
        )
        if not attribution().bulk:
            keys = [cls.normal_key(change.after["email"]) for change in changes]
            prioritize_deletions(using, Deletion.Kind.CONTACT, keys)

    @classmethod
    def _inserted(cls, using: str, rows: Sequence[Self]) -> None:
        if len(rows) == 1 and not rows[0].subscription_status:
            [row] = rows
            if not is_known(using, row.pk, row.wanted_key):
                row.keep_subscription()
                return
        enter_new(using, rows)
        if not attribution().bulk:
            prioritize_deletions(using, Deletion.Kind.CONTACT, [row.wanted_key for row in rows])

    @classmethod
    def _deleting(cls, using: str, before: Sequence[dict[str, Any]]) -> None:
        super()._deleting(using, before)
        keys = {row["pk"]: row["key"] or cls.normal_key(row["email"]) for row in before}
        rows = [row | {"key": keys[row["pk"]]} for row in before]
        enter_opt_outs_of_column(using, rows, deleting=True)
        leave_for_deleted(using, Deletion.Kind.CONTACT, before)
        if not conf.delete_remote:
            stay_opted_out(using, before)
        supersede_wishes(using, [row["pk"] for row in before])
