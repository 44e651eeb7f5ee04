"""The consent log: every change of a subscription, and whether the API knows of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from conversion_sync.conf import conf
from conversion_sync.models.base import (
    PERSON,
    RIGHTS,
    Status,
    SyncedModel,
    SyncedQuerySet,
    attribution,
)
from conversion_sync.models.fields import KeyField

__all__ = ["Subscription", "SubscriptionChange", "SubscriptionChangeQuerySet"]


class Subscription(models.TextChoices):
    """What the API knows of a person's consent."""

    SUBSCRIBED = "SUBSCRIBED", _("Subscribed")
    UNSUBSCRIBED = "UNSUBSCRIBED", _("Unsubscribed")
    PENDING = "PENDING", _("Pending")


class SubscriptionChangeQuerySet(SyncedQuerySet):
    """The log, by what it says of a person."""

    def opt_outs(self) -> SubscriptionChangeQuerySet:
        return self.filter(status=Subscription.UNSUBSCRIBED)

    def of(
        self, contacts: Collection[int], addresses: Collection[str]
    ) -> SubscriptionChangeQuerySet:
        """The changes of these contacts or these addresses."""
        return self.filter(Q(contact__in=contacts) | Q(address__in=addresses))


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
    status = models.CharField(_("to"), max_length=12, choices=Subscription.choices, editable=False)
    previous_status = models.CharField(
        _("from"), max_length=12, choices=Subscription.choices, blank=True, editable=False
    )
    requested_by = models.CharField(_("requested by"), max_length=255, blank=True, editable=False)
    source = models.CharField(_("source"), max_length=64, blank=True, editable=False)
    reason = models.TextField(_("reason"), blank=True, editable=False)
    override = models.BooleanField(
        _("subscribe anyway"),
        default=False,
        editable=False,
        help_text=_("Lifts the opt-outs that are older than it; somebody gave the reason."),
    )

    objects = SubscriptionChangeQuerySet.as_manager()

    # It happened once: whatever is noted on it later, it is not sent again.
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
        ordering = ("-pk",)
        permissions = (("override_consent", _("Can subscribe people who opted out")),)
        indexes = (
            models.Index(fields=["priority", "due_at"], name="conversion_consent_due"),
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

    @property
    def is_opt_out(self) -> bool:
        return self.status == Subscription.UNSUBSCRIBED

    @property
    def takes_effect(self) -> bool:
        """Whether an older opt-out no longer stands because of this change."""
        return self.sync_status == Status.SYNCED or (
            self.override and self.sync_status in (Status.PENDING, Status.SENDING)
        )

    @classmethod
    def enter(cls, using: str, changes: Iterable[SubscriptionChange]) -> None:
        """Enter changes in the log, and in the column of their contacts.

        The caller holds the lock of the contacts. A blank status goes to the column alone:
        there is nothing to tell the API.
        """
        from conversion_sync.models.contact import Contact

        by, entered = attribution(), list(changes)
        for status in {change.status for change in entered}:
            contacts = [c.contact_id for c in entered if c.status == status and c.contact_id]
            others = Contact.unmarked.using(using).exclude(subscription_status=status)
            others.filter(pk__in=contacts).update(subscription_status=status)
        entered = [change for change in entered if change.status]
        if not entered:
            return
        for change in entered:
            change.requested_by = change.requested_by or by.requested_by
            change.source = change.source or by.source
            change.reason = change.reason or by.reason
            change.override = by.override and not change.is_opt_out
        created = cls.objects.using(using).bulk_create(entered)
        urgent = [c for c in created if c.is_opt_out or not by.bulk]
        if urgent:
            cls.unmarked.using(using).filter(pk__in=[c.pk for c in urgent]).update(priority=PERSON)
            Contact.hasten(using, [c.contact_id for c in urgent if c.contact_id])

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
        log = cls.objects.using(using).of({c for c, _ in people if c}, {a for _, a in people})
        newest_first = list(log.order_by("-pk"))
        limits: Sequence[int | None] = older_than or [None] * len(people)
        return [
            _standing(newest_first, contact, address, limit)
            for (contact, address), limit in zip(people, limits, strict=True)
        ]

    @classmethod
    def follow_key(cls, using: str, before: dict[str, Any], key: str) -> None:
        """The contact, locked and read as ``before``, goes on under another key.

        Its unsent changes go to the new one, and what it had consented to is said again there.
        Where the record of the old key stays in Conversion, an unsent opt-out goes there too.
        """
        unsent = cls.objects.using(using).filter(
            contact=before["pk"], sync_status=Status.PENDING, claim__isnull=True
        )
        waiting = dict(unsent.values_list("pk", "status"))
        cls.unmarked.using(using).filter(pk__in=waiting).update(address=key)
        if not before["sent_key"]:
            return
        if Subscription.UNSUBSCRIBED in waiting.values() and not conf.delete_changed_keys:
            old = cls(address=before["sent_key"], status=Subscription.UNSUBSCRIBED)
            old.source = "old email"
            cls.enter(using, [old])
        status = before["subscription_status"]
        [opt_out] = cls.standing_opt_outs(using, [(before["pk"], before["key"])])
        if status and not waiting and opt_out is None:
            again = cls(contact_id=before["pk"], address=key, status=status, previous_status=status)
            again.source = "new email"
            cls.enter(using, [again])

    @classmethod
    def moot(cls, using: str, contacts: Collection[int]) -> None:
        """The contacts are being deleted: of their unsent changes only opt-outs still matter."""
        cls.unmarked.using(using).filter(
            contact__in=contacts, sync_status__in=(Status.PENDING, Status.FAILED), claim=None
        ).exclude(status=Subscription.UNSUBSCRIBED).update(
            sync_status=Status.SUPERSEDED, due_at=None
        )


def _standing(
    newest_first: Iterable[SubscriptionChange], contact: int | None, address: str, limit: int | None
) -> SubscriptionChange | None:
    person_lifted = address_lifted = False
    for change in newest_first:
        person = contact is not None and change.contact_id == contact
        here = change.address == address
        if not (person or here) or (limit is not None and change.pk >= limit):
            continue
        if change.is_opt_out:
            # What somebody said at another address lifts nothing that others said at this one.
            if not (person_lifted if person else address_lifted):
                return change
        elif change.takes_effect:
            person_lifted |= person
            address_lifted |= here
    return None
