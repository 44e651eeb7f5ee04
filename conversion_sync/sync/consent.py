"""The rules of consent: what goes before what, and the guard before a subscription.

No opt-out is ever lost or undone: anything but UNSUBSCRIBED is sent only when neither our log
nor the remote knows of an opt-out that nobody has knowingly lifted.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from conversion_sync.api import RemoteContact
from conversion_sync.api.errors import ErrorCode
from conversion_sync.models import (
    Contact,
    Deletion,
    Status,
    Subscription,
    SubscriptionChange,
)
from conversion_sync.models.clock import DbNow
from conversion_sync.models.contact_table import lock_free
from conversion_sync.models.locking import locking
from conversion_sync.models.messages import Message, stored
from conversion_sync.models.state import DOUBT
from conversion_sync.models.unindexed import unindexed
from conversion_sync.sync.claim import Claim
from conversion_sync.sync.outcomes import Decision, Outcome
from conversion_sync.sync.readiness import is_overtaken, same_person
from conversion_sync.sync.retry import retried, retried_for_a_lease
from conversion_sync.sync.transactions import short_transaction
from conversion_sync.sync.waiting import release_behind

__all__ = [
    "blocked",
    "created_by_us",
    "held_up",
    "is_created_by_us",
    "keep_opt_out",
    "not_found",
    "push_again",
    "supersede",
    "supersede_older",
    "take_remote_opt_out",
]

Rows = QuerySet[Any]
Condition = Any

#: For so long our own upsert having created a contact stands for a GET of it.
FRESH = datetime.timedelta(hours=1)

WAITING = (Status.PENDING, Status.SENDING)

#: What Conversion may say of somebody who may be subscribed; None: nothing.
UNDERSTOOD = (None, Subscription.SUBSCRIBED, Subscription.PENDING)


def supersede(using: str, pks: Collection[int]) -> None:
    """Take these changes away, as far as a newer one, or that no contact is left, overtook them."""
    if taken := _take_away(SubscriptionChange.unmarked.using(using).filter(pk__in=pks)):
        release_behind(SubscriptionChange, using, taken)


def supersede_older(claim: Claim) -> None:
    """Take away what the changes of this claim have overtaken."""
    people = SubscriptionChange.objects.using(claim.using).of(
        {row.contact_id for row in claim.rows if row.contact_id},
        {row.address for row in claim.rows},
    )
    older = people.filter(unindexed(Q(sync_status=Status.PENDING, claim=None)))
    supersede(claim.using, list(older.exclude(pk__in=claim.pks).values_list("pk", flat=True)))


@retried
def _take_away(rows: Rows) -> list[int]:
    with short_transaction(rows.db):
        locked = list(locking(rows.order_by("pk"), skip_locked=True).values_list("pk", flat=True))
        table = SubscriptionChange.unmarked.using(rows.db)
        due = table.filter(Q(claim=None) | Q(due_at__lte=DbNow()), is_overtaken(rows.db))
        pks = list(due.filter(pk__in=locked).values_list("pk", flat=True))
        # An override that is taken away lifts nothing any more. Who holds its contact is not
        # waited for.
        overrides = dict(
            table.filter(pk__in=pks, override=True, contact__isnull=False).values_list(
                "pk", "contact_id"
            )
        )
        free = lock_free(rows.db, {*overrides.values()})
        pks = [pk for pk in pks if overrides.get(pk) in {None, *free}]
        table.filter(pk__in=pks).update(sync_status=Status.SUPERSEDED, claim=None, due_at=None)
        if free:
            SubscriptionChange.reflect(rows.db, free)
    return pks


def is_created_by_us(using: str) -> Condition:
    """Whether a change is of a contact that our own upsert created within the hour.

    Not where we deleted its address before: the person may have opted out of that record.
    """
    fresh = Contact.unmarked.using(using).filter(
        # Not what lies ahead: the clock was set back, and nobody knows for how long it stands.
        pk=OuterRef("contact"),
        remote_created_at__gt=DbNow() - FRESH,
        remote_created_at__lte=DbNow(),
    )
    deleted = _deletions(using).filter(key=OuterRef("contact__key"))
    return Exists(fresh) & ~Exists(deleted)


@retried
def created_by_us(claim: Claim) -> set[int]:
    """The primary keys of those changes of a claim for which ``is_created_by_us`` holds."""
    made = claim.table().filter(is_created_by_us(claim.using), pk__in=claim.pks)
    return set(made.values_list("pk", flat=True))


def _deletions(using: str) -> Rows:
    """The deletions of contacts, done or not."""
    rows: Rows = Deletion.unmarked.using(using)
    return rows.filter(kind=Deletion.Kind.CONTACT, only_asks=False)


def blocked(claim: Claim, asked: Mapping[int, RemoteContact]) -> dict[int, Outcome]:
    """What becomes of the changes of a claim that are not sent: somebody has opted out.

    Args:
        asked: what Conversion says of those that it was asked about, by primary key.
    """
    outcomes = dict.fromkeys(_overtaken(claim), Outcome(Decision.SUPERSEDED))
    rows = [row for row in claim.rows if row.pk not in outcomes]
    standing = retried(SubscriptionChange.standing_opt_outs)(
        claim.using,
        [(row.contact_id, row.address) for row in rows],
        older_than=[row.pk for row in rows],
    )
    for row, opt_out in zip(rows, standing, strict=True):
        if reason := _why_blocked(claim.using, row, opt_out, asked.get(row.pk)):
            outcomes[row.pk] = Outcome(Decision.FAILED, ErrorCode.CONSENT_BLOCKED, reason)
    return outcomes


@retried
def _overtaken(claim: Claim) -> list[int]:
    """The changes of people who have opted out since: a worker that died had held them."""
    log = SubscriptionChange.objects.using(claim.using).opt_outs()
    newer = log.filter(pk__gt=OuterRef("pk"))
    overtaken = claim.table().filter(same_person(newer), pk__in=claim.pks)
    return list(overtaken.values_list("pk", flat=True))


def _why_blocked(
    using: str,
    row: SubscriptionChange,
    opt_out: SubscriptionChange | None,
    remote: RemoteContact | None,
) -> str:
    if opt_out is not None and not row.override:
        return stored(Message.OPT_OUT_HERE)
    word = remote.subscription_status if remote is not None else None
    if word in UNDERSTOOD:
        return ""
    if word != Subscription.UNSUBSCRIBED:
        return stored(Message.UNKNOWN_WORD, word=str(word)[:64])
    if row.override and opt_out is not None:
        return ""
    if row.contact is not None:
        take_remote_opt_out(using, row.contact.pk, row.address)
    return stored(Message.OPT_OUT_THERE)


@retried
def take_remote_opt_out(using: str, contact: int, address: str) -> None:
    """Enter an opt-out of which Conversion knows, and we did not, in the log.

    It is entered as arrived: there is nobody to tell.
    """
    with short_transaction(using):
        row = locking(_of_consent(using).filter(pk=contact)).first()
        if row is not None:
            _enter(using, row, address, Status.SYNCED)


def _of_consent(using: str) -> Rows:
    """Contacts with no more than consent is about: what else they say may be bad."""
    return Contact.unmarked.using(using).only("pk", "email", "key", "subscription_status")


@retried
def keep_opt_out(using: str, deletion: Deletion, remote: RemoteContact) -> None:
    """Enter the opt-out of a record that is deleted or left in the log.

    It stands for its address, whoever has it next, and for the contact that goes on under another.
    """
    if remote.subscription_status != Subscription.UNSUBSCRIBED:
        return
    with short_transaction(using):
        rows = _of_consent(using).filter(pk__in=[deletion.successor_id])
        if (row := locking(rows).first()) is not None:
            # Not by the old address: after a swap somebody else's opt-out may stand there.
            [standing] = SubscriptionChange.standing_opt_outs(using, [(row.pk, row.wanted_key)])
            if standing is None and not _is_overridden(using, row.pk, deletion.key):
                _enter(using, row, row.wanted_key, Status.PENDING)
        # After the successor's, which has to be told where it goes on under another spelling.
        [known] = SubscriptionChange.standing_opt_outs(using, [(None, deletion.key)])
        if known is None and not _is_overridden(using, None, deletion.key):
            _enter(using, None, deletion.key, Status.SYNCED)


def _is_overridden(using: str, contact: int | None, address: str) -> bool:
    """Whether an override that waits covers an opt-out of which our log knows."""
    changes = SubscriptionChange.objects.using(using).of([contact] if contact else [], [address])
    newest = changes.filter(override=True, sync_status__in=WAITING).order_by("-pk").first()
    if newest is None:
        return False
    people: list[tuple[int | None, str]] = [(contact, address)]
    [known] = SubscriptionChange.standing_opt_outs(using, people, older_than=[newest.pk])
    return known is not None


def _enter(using: str, contact: Contact | None, address: str, status: Status) -> None:
    change = SubscriptionChange(
        contact_id=contact.pk if contact else None,
        address=address,
        status=Subscription.UNSUBSCRIBED,
        previous_status=contact.subscription_status if contact else "",
        source="Conversion",
    )
    SubscriptionChange.enter(using, [change])
    if status == Status.SYNCED:
        SubscriptionChange.unmarked.using(using).filter(pk=change.pk).update(
            sync_status=Status.SYNCED, due_at=None, last_synced_at=DbNow()
        )


def not_found(row: SubscriptionChange, made: Outcome) -> Outcome:
    """The API does not know the address of a change."""
    contact = row.contact
    is_known = contact is not None and contact.key is not None and bool(contact.synced_revision)
    if row.is_opt_out and not is_known:
        return _nothing_to_unsubscribe(row, made)
    if contact is None:
        return replace(made, decision=Decision.FAILED)
    return made if push_again(contact, row.address) else held_up(made)


@retried_for_a_lease
def _nothing_to_unsubscribe(row: SubscriptionChange, made: Outcome) -> Outcome:
    """An opt-out went by its address, where nobody is: it goes again when somebody is there.

    If that has happened meanwhile, the newer opt-out speaks for this one, too.
    """
    log = SubscriptionChange.objects.using(row._state.db).opt_outs().filter(pk__gt=row.pk)
    again = log.of({row.contact_id} if row.contact_id else (), {row.address}).exists()
    return replace(
        made,
        decision=Decision.SUPERSEDED if again else Decision.FAILED,
        code=ErrorCode.NOTHING_TO_UNSUBSCRIBE,
        message=stored(Message.NOBODY_THERE),
    )


@retried_for_a_lease
def push_again(contact: Contact, key: str) -> bool:
    """The remote has lost the contact: forget what we know of it there, and push it again.

    One that is in flight may be there again: what is deleted here has to be deleted there, too.

    Returns:
        False where somebody else has it locked: nobody waits for that.
    """
    rows: Any = Contact.objects.using(contact._state.db).filter(pk=contact.pk, key=key)
    with short_transaction(rows.db):
        held = list(locking(rows.order_by("pk"), skip_locked=True).values_list("claim", flat=True))
        if held:
            rows.mark(**({"sent_revision": DOUBT} if any(held) else Contact.FORGOTTEN))
    return bool(held) or not rows.exists()


def held_up(made: Outcome) -> Outcome:
    """What becomes of a row that needs a contact which somebody else has locked: it comes again."""
    return replace(made, decision=Decision.RETRY, code="", message="", counts=False)
