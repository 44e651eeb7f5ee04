"""The rules of consent: what goes before what, and the guard before a subscription.

No opt-out is ever lost or undone: anything but UNSUBSCRIBED is sent only when neither our log
nor the remote knows of an opt-out that nobody has knowingly lifted.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from conversion_sync.api import Client, RemoteContact
from conversion_sync.conf import conf
from conversion_sync.models import (
    Contact,
    Deletion,
    Status,
    Subscription,
    SubscriptionChange,
)
from conversion_sync.models.base import locking
from conversion_sync.models.fields import DbNow, db_now
from conversion_sync.sync.outbox import Claim, renew
from conversion_sync.sync.outcomes import Decision, Outcome
from conversion_sync.sync.run import Run

if TYPE_CHECKING:
    from conversion_sync.sync.channels import Channel

__all__ = [
    "Guard",
    "after_their_contact",
    "carry_over",
    "created_by_us",
    "in_order",
    "not_found",
    "opt_outs",
    "push_again",
    "supersede",
    "take_remote_opt_out",
]

Rows = QuerySet[Any]

#: For so long our own upsert having created a contact stands for a GET of it.
FRESH = datetime.timedelta(hours=1)

WAITING = (Status.PENDING, Status.SENDING)


def _same_person(rows: Rows) -> Q:
    return Exists(rows.filter(contact=OuterRef("contact"))) | Exists(
        rows.filter(address=OuterRef("address"))
    )


def supersede(using: str) -> int:
    """Take older changes out of the way of newer ones, and those of contacts that are gone.

    An opt-out is never superseded.
    """
    rows = SubscriptionChange.unmarked.using(using).exclude(status=Subscription.UNSUBSCRIBED)
    newer = SubscriptionChange.unmarked.using(using).filter(pk__gt=OuterRef("pk"))
    newer = newer.filter(
        Q(sync_status__in=(*WAITING, Status.SYNCED)) | Q(status=Subscription.UNSUBSCRIBED)
    )
    older = rows.filter(
        _same_person(newer) | Q(contact=None),
        sync_status=Status.PENDING,
        claim__isnull=True,
        due_at__isnull=False,
    )
    # The contact was deleted in flight, and the worker died: nobody else would take the change.
    left = rows.filter(
        contact=None, sync_status=Status.SENDING, claim__isnull=False, due_at__lte=DbNow()
    )
    return sum(_take_away(each) for each in (left, older))


def _take_away(rows: Rows) -> int:
    if not rows.exists():
        return 0
    with transaction.atomic(using=rows.db):
        pks = list(locking(rows, skip_locked=True).values_list("pk", flat=True)[:1000])
        taken = SubscriptionChange.unmarked.using(rows.db).filter(pk__in=pks)
        return taken.update(sync_status=Status.SUPERSEDED, claim=None, due_at=None)


def in_order(using: str) -> Rows:
    """Changes with no older one of the same person on its way, nor one in flight."""
    rows = SubscriptionChange.unmarked.using(using)
    older = rows.filter(pk__lt=OuterRef("pk"), sync_status__in=WAITING)
    return rows.filter(~_same_person(older))


def opt_outs(rows: Rows) -> Rows:
    """Opt-outs; they wait only for a contact that was never confirmed at its key."""
    unknown = Contact.unmarked.using(rows.db).filter(pk=OuterRef("contact"), synced_revision=0)
    return rows.filter(~Exists(unknown), status=Subscription.UNSUBSCRIBED)


def after_their_contact(rows: Rows) -> Rows:
    """Other changes; their contact goes first, and the opt-out of its old address."""
    contacts = Contact.unmarked.using(rows.db).filter(pk=OuterRef("contact"))
    arrived = contacts.filter(synced_revision__gt=0).exclude(sync_status__in=WAITING)
    predecessors = Deletion.objects.using(rows.db).open().filter(successor=OuterRef("contact"))
    return rows.filter(Exists(arrived), ~Exists(predecessors)).exclude(
        status=Subscription.UNSUBSCRIBED
    )


def created_by_us(rows: Rows) -> Rows:
    """Changes of contacts that our own upsert created within the hour."""
    fresh = Contact.unmarked.using(rows.db).filter(
        pk=OuterRef("contact"), remote_created_at__gt=DbNow() - FRESH
    )
    return rows.filter(Exists(fresh))


class Guard:
    """Lets a claim's changes through, or blocks them."""

    def __init__(self, run: Run, claim: Claim, channel: Channel) -> None:
        self.run, self.claim, self.channel = run, claim, channel
        self.now = db_now(run.using)
        self.remote: dict[int, RemoteContact] = {}

    def ask(self) -> None:
        """Ask Conversion about those whom our own upsert did not just create."""
        rows = [row for row in self.claim.rows if self._needs_get(row)]
        gets: list[Callable[[Client], Any]] = [
            partial(Client.get_contact, email=row.address) for row in rows
        ]
        step = max(1, conf.concurrency)
        for start in range(0, len(rows), step):
            chunk = rows[start : start + step]
            self.run.reserve(len(chunk))
            outcomes = {}
            answers = self.run.calls(gets[start : start + step])
            for row, answer in zip(chunk, answers, strict=True):
                if answer.error is not None:
                    counts = self.run.counts([row], answer.error)
                    made = self.channel.outcome(row, answer.error, counts=counts)
                    outcomes[row.pk] = replace(made, call=answer.call)
                elif answer.value is not None:
                    self.remote[row.pk] = answer.value
            self._settle(outcomes)
            self._renew()

    def check(self) -> None:
        """Block what an opt-out stands against, in our log or there."""
        self._settle(dict.fromkeys(self._overtaken(), Outcome(Decision.SUPERSEDED)))
        rows = [row for row in self.claim.rows if not row.is_opt_out]
        standing = SubscriptionChange.standing_opt_outs(
            self.run.using,
            [(row.contact_id, row.address) for row in rows],
            older_than=[row.pk for row in rows],
        )
        self._settle(
            {
                row.pk: Outcome(Decision.FAILED, "CONSENT_BLOCKED", reason)
                for row, opt_out in zip(rows, standing, strict=True)
                if (reason := self._reason(row, opt_out))
            }
        )

    def _overtaken(self) -> list[int]:
        """The changes of people who have opted out since: a worker that died had held them."""
        rows = [row for row in self.claim.rows if not row.is_opt_out]
        log = SubscriptionChange.objects.using(self.run.using).opt_outs()
        newer = log.filter(pk__gt=OuterRef("pk"))
        overtaken = self.claim.table().filter(_same_person(newer), pk__in=[row.pk for row in rows])
        return list(overtaken.values_list("pk", flat=True))

    def _needs_get(self, row: SubscriptionChange) -> bool:
        if row.is_opt_out or row.contact is None:
            return False
        created = row.contact.remote_created_at
        return created is None or created < self.now - FRESH

    def _reason(self, row: SubscriptionChange, opt_out: SubscriptionChange | None) -> str:
        if opt_out is not None and not row.override:
            return "An opt-out stands in the log."
        remote = self.remote.get(row.pk)
        if remote is None or remote.subscription_status != Subscription.UNSUBSCRIBED:
            return ""
        if row.override and opt_out is not None:
            return ""
        if row.contact is not None:
            take_remote_opt_out(self.run.using, row.contact.pk, row.address)
        return "Conversion says that this person unsubscribed."

    def _settle(self, outcomes: dict[int, Outcome]) -> None:
        self.run.settle(self.claim, outcomes)
        self.claim.rows = [row for row in self.claim.rows if row.pk not in outcomes]

    def _renew(self) -> None:
        kept = renew(self.claim, self.claim.pks)
        self.claim.rows = [row for row in self.claim.rows if row.pk in kept]


def take_remote_opt_out(using: str, contact: int, address: str) -> None:
    """Enter an opt-out of which Conversion knows, and we did not, in the log.

    It is entered as arrived: there is nobody to tell.
    """
    with transaction.atomic(using=using):
        row = locking(Contact.unmarked.using(using).filter(pk=contact)).first()
        if row is not None:
            _enter(using, row, address, Status.SYNCED)


def carry_over(using: str, deletion: Deletion, remote: RemoteContact) -> None:
    """Enter the remote opt-out of an old address for the contact that goes on under another."""
    if remote.subscription_status != Subscription.UNSUBSCRIBED:
        return
    with transaction.atomic(using=using):
        rows = Contact.unmarked.using(using).filter(pk__in=[deletion.successor_id])
        row = locking(rows).first()
        if row is None:
            return
        # Not by the old address: after a swap somebody else's opt-out may stand there.
        [standing] = SubscriptionChange.standing_opt_outs(using, [(row.pk, row.key)])
        if standing is None and not _is_overridden(using, row.pk, deletion.key):
            _enter(using, row, row.key, Status.PENDING)


def _is_overridden(using: str, contact: int, address: str) -> bool:
    """Whether an override that waits covers an opt-out of which our log knows."""
    changes = SubscriptionChange.objects.using(using).of([contact], [address])
    newest = changes.filter(override=True, sync_status__in=WAITING).order_by("-pk").first()
    if newest is None:
        return False
    people = [(contact, address)]
    [known] = SubscriptionChange.standing_opt_outs(using, people, older_than=[newest.pk])
    return known is not None


def _enter(using: str, contact: Contact, address: str, status: Status) -> None:
    change = SubscriptionChange(
        contact_id=contact.pk,
        address=address,
        status=Subscription.UNSUBSCRIBED,
        previous_status=contact.subscription_status,
        source="Conversion",
    )
    SubscriptionChange.enter(using, [change])
    if status == Status.SYNCED:
        SubscriptionChange.unmarked.using(using).filter(pk=change.pk).update(
            sync_status=Status.SYNCED, due_at=None, last_synced_at=DbNow()
        )


def not_found(row: SubscriptionChange, made: Outcome) -> Outcome:
    """The API does not know the address of a change."""
    if row.contact is not None:
        push_again(row.contact, row.address)
        return made
    if row.is_opt_out:
        return replace(made, decision=Decision.SUPERSEDED)
    return replace(made, decision=Decision.FAILED)


def push_again(contact: Contact, key: str) -> None:
    """The remote has lost the contact: forget what we know of it there, and push it again."""
    rows: Any = Contact.objects.using(contact._state.db).filter(pk=contact.pk, key=key)
    rows.mark(**Contact.FORGOTTEN)
