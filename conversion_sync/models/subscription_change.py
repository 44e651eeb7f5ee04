"""The consent log: every change of a subscription, and whether the API knows of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Self

from django.db import models, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from conversion_sync.api.errors import ErrorCode
from conversion_sync.models.among import among
from conversion_sync.models.announcement import announce
from conversion_sync.models.attribution import attribution
from conversion_sync.models.chunks import in_chunks
from conversion_sync.models.clock import DbNow
from conversion_sync.models.contact_table import contacts
from conversion_sync.models.deletion import Deletion
from conversion_sync.models.erased import recall, tokens
from conversion_sync.models.fields import InstantField, KeyField, LineField, TextField
from conversion_sync.models.locking import locking
from conversion_sync.models.messages import Message, stored
from conversion_sync.models.opt_outs import by_person, standing_opt_out
from conversion_sync.models.prepared import prepared
from conversion_sync.models.priority import prioritize_contacts
from conversion_sync.models.querysets import SyncedQuerySet
from conversion_sync.models.state import PERSON, Status
from conversion_sync.models.subscription import OUT, Subscription
from conversion_sync.models.subscription_column import follow_log, reflect
from conversion_sync.models.synced import RIGHTS, SyncedModel
from conversion_sync.models.unindexed import unindexed

__all__ = [
    "LIVE",
    "SubscriptionChange",
    "SubscriptionChangeQuerySet",
]

#: A change in one of these is in the log for somebody who asked for it.
LIVE = (Status.PENDING, Status.SENDING, Status.SYNCED, Status.FAILED)


class SubscriptionChangeQuerySet(SyncedQuerySet):
    """The log, by what it says of a person."""

    def mark(self, **more: Any) -> int:
        """As the base; an override that is sent again takes effect again."""
        with transaction.atomic(using=self.db):
            overrides = self.order_by().filter(override=True, contact__isnull=False)
            pks = list(overrides.values_list("contact_id", flat=True))
            # Contacts are locked before their changes, here as everywhere.
            list(locking(contacts(self.db).filter(pk__in=pks).order_by("pk")).values("pk"))
            count = super().mark(**more)
            reflect(self.db, pks)
        return count

    def opt_outs(self) -> SubscriptionChangeQuerySet:
        return self.filter(status=Subscription.UNSUBSCRIBED)

    def of(
        self, contacts: Collection[int], addresses: Collection[str]
    ) -> SubscriptionChangeQuerySet:
        """The changes of these contacts or these addresses, in no order: that costs an index."""
        here = Q(among(contacts, "contact")) | Q(among(addresses, "address"))
        return self.filter(here).order_by()


class SubscriptionChange(SyncedModel):
    """One change of one subscription; entered once, sent once, kept for ever."""

    contact = models.ForeignKey(
        "conversion_sync.Contact",
        verbose_name=_("contact"),
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="subscription_changes",
    )
    address = KeyField(_("email"), max_length=255, editable=False)
    status = LineField(_("to"), max_length=12, choices=Subscription.choices, editable=False)
    previous_status = LineField(
        _("from"), max_length=12, choices=Subscription.choices, blank=True, editable=False
    )
    requested_by = LineField(_("requested by"), max_length=255, blank=True, editable=False)
    source = LineField(_("source"), max_length=64, blank=True, editable=False)
    reason = TextField(_("reason"), blank=True, editable=False)
    override = models.BooleanField(
        _("subscribe anyway"),
        default=False,
        editable=False,
        help_text=_("Lifts the opt-outs that are older than it; somebody gave the reason."),
    )
    #: A try ended then of which nobody knows whether it arrived.
    may_have_arrived_at = InstantField(null=True, default=None, editable=False)

    objects = SubscriptionChangeQuerySet.as_manager()

    STATE = (*SyncedModel.STATE, "may_have_arrived_at")
    # It happened once: whatever is noted on it later, it is not sent again.
    SETTLED_BY = (*SyncedModel.SETTLED_BY, "contact_id", "status")
    QUIET = SyncedModel.QUIET | {
        "contact_id",
        "address",
        "status",
        "previous_status",
        "requested_by",
        "source",
        "reason",
        "override",
    }

    class Meta:
        verbose_name = _("subscription change")
        verbose_name_plural = _("subscription changes")
        default_permissions = RIGHTS
        base_manager_name = "objects"
        ordering = ("-pk",)
        permissions = (("override_consent", _("Can subscribe people who opted out")),)
        indexes = (
            models.Index(fields=["priority", "due_at"], name="conversion_consent_due"),
            models.Index(fields=["status", "priority", "due_at"], name="conversion_consent_turn"),
            models.Index(
                fields=["sync_status", "last_error_code", "id"], name="conversion_consent_state"
            ),
            models.Index(
                fields=["address"],
                name="conversion_consent_address",
                opclasses=["varchar_pattern_ops"],
            ),
            models.Index(fields=["created_at"], name="conversion_consent_created"),
        )

    def __str__(self) -> str:
        return f"{self.address}: {self.get_status_display()}"

    @classmethod
    def doubt(cls) -> dict[str, Any]:
        return {"may_have_arrived_at": DbNow()}

    @property
    def is_opt_out(self) -> bool:
        return self.status == Subscription.UNSUBSCRIBED

    @property
    def takes_effect(self) -> bool:
        """Whether an older opt-out no longer stands because of this change."""
        return self.sync_status == Status.SYNCED or (
            self.override and self.sync_status in (Status.PENDING, Status.SENDING)
        )

    def again(self, **columns: Any) -> SubscriptionChange:
        """The same opt-out for a record that is, or may be, new in Conversion; not saved."""
        given = {"source": "standing opt-out", "requested_by": self.requested_by, **columns}
        return SubscriptionChange(status=Subscription.UNSUBSCRIBED, reason=self.reason, **given)

    @classmethod
    def enter(cls, using: str, changes: Iterable[SubscriptionChange]) -> None:
        """Enter changes in the log; the columns of their contacts say what stands then.

        The caller holds the lock of the contacts.
        """
        by, entered = attribution(), list(changes)
        if not entered:
            return
        for change in entered:
            change.requested_by = change.requested_by or by.requested_by
            change.source = change.source or by.source
            change.reason = change.reason or by.reason
            change.override = by.override and not change.is_opt_out
        created = cls.objects.using(using).bulk_create(entered)
        unknown = [change.pk for change in created if change.status not in Subscription.values]
        cls.unmarked.using(using).filter(pk__in=unknown).update(
            sync_status=Status.FAILED,
            due_at=None,
            last_error_code=ErrorCode.VALIDATION_ERROR,
            last_error_message=stored(Message.UNKNOWN_STATUS),
        )
        urgent = [c for c in created if c.is_opt_out or not by.bulk]
        if urgent:
            cls.unmarked.using(using).filter(pk__in=[c.pk for c in urgent]).update(priority=PERSON)
            prioritize_contacts(using, [c.contact_id for c in urgent if c.contact_id])

    @classmethod
    def _inserted(cls, using: str, rows: Sequence[Self]) -> None:
        """The columns of the contacts follow the log."""
        entered: Sequence[SubscriptionChange] = rows
        if wishes := {change.address for change in entered if not change.is_opt_out}:
            # Of whom we deleted, Conversion is asked before they are subscribed.
            Deletion.recall(using, wishes)
        follow_log(using, entered)

    @classmethod
    def opt_out(cls, using: str, keys: Collection[str]) -> int:
        """Enter an opt-out for each of these normal addresses of which none stands.

        That of a person who has no row here goes by the address.

        Returns:
            The number of changes that were entered.
        """
        entered = 0
        for chunk in in_chunks(sorted(keys)):
            with transaction.atomic(using=using):
                rows = locking(contacts(using).filter(key__in=chunk).order_by("pk"))
                known = {row["key"]: row for row in rows.values("pk", "key", "subscription_status")}
                people = [(known[key]["pk"] if key in known else None, key) for key in chunk]
                changes = [
                    cls(
                        contact_id=contact,
                        address=key,
                        status=Subscription.UNSUBSCRIBED,
                        previous_status=known[key]["subscription_status"] if contact else "",
                    )
                    for (contact, key), standing in zip(
                        people, cls.standing_opt_outs(using, people), strict=True
                    )
                    if standing is None
                ]
                cls.enter(using, changes)
                announce(using)
            entered += len(changes)
        return entered

    @classmethod
    def recall(cls, using: str, keys: Collection[str]) -> None:
        """Have what stands for these erased addresses say them again: the person is back."""
        recall(cls.unmarked.using(using), "address", keys)

    @classmethod
    def standing_opt_outs(
        cls,
        using: str,
        people: Sequence[tuple[int | None, str]],
        older_than: Sequence[int] | None = None,
    ) -> list[SubscriptionChange | None]:
        """The opt-out that stands in our log for each of these people.

        Read from the newest change back: an opt-out stands, whether or not it has arrived,
        until a change that was sent through the guard, or that somebody ordered knowing of
        it, is newer. A change that waits or was blocked lifts nothing.

        Args:
            people: pairs of a contact's primary key (or None) and an address.
            older_than: for each of them, look only at changes before this primary key.
        """
        limits: Sequence[int | None] = older_than or [None] * len(people)
        found = list[SubscriptionChange | None]()
        for chunk in in_chunks(list(zip(people, limits, strict=True))):
            contacts, addresses = {p[0] for p, _ in chunk if p[0]}, {p[1] for p, _ in chunk}
            known = addresses | tokens(addresses).keys()
            log = cls.objects.using(using).raw(*prepared(_log, using, contacts, known))
            of_people = by_person(log)
            found += [
                standing_opt_out(of_people(contact, address), contact, address, limit)
                for (contact, address), limit in chunk
            ]
        return found


def _log(
    using: str, contacts: Collection[int], addresses: Collection[str]
) -> SubscriptionChangeQuerySet:
    """What bears on whether these people have opted out."""
    matters = Q(status=OUT) | Q(sync_status=Status.SYNCED) | Q(override=True)
    return (
        SubscriptionChange.objects.using(using).of(contacts, addresses).filter(unindexed(matters))
    )
