"""The guard: what of the subscription changes is not sent, for somebody has opted out.

Anything but UNSUBSCRIBED is sent only when neither our log nor the remote knows of an opt-out that
nobody has knowingly lifted.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from django.db.models import Exists, OuterRef

from conversion_sync.api import RemoteContact
from conversion_sync.api.errors import ErrorCode
from conversion_sync.models import Contact, Deletion, Subscription, SubscriptionChange
from conversion_sync.models.clock import DbNow
from conversion_sync.models.messages import Message, stored
from conversion_sync.sync.claim import Claim
from conversion_sync.sync.consent.remote_opt_outs import UNDERSTOOD, take_remote_opt_out
from conversion_sync.sync.outcomes import Decision, Outcome
from conversion_sync.sync.readiness import same_person
from conversion_sync.sync.retry import retried
from conversion_sync.sync.types import Condition, Rows

__all__ = ["blocked", "created_by_us", "is_created_by_us"]

#: For so long our own upsert having created a contact stands for a GET of it.
FRESH = datetime.timedelta(hours=1)


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
        if reason := _why_blocked(claim, row, opt_out, asked.get(row.pk)):
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
    claim: Claim,
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
    is_covered = row.override and opt_out is not None
    if is_covered and row.pk not in claim.doubtful:
        return ""
    if row.contact is not None:
        take_remote_opt_out(claim.using, row.contact.pk, row.address)
    return stored(Message.OPT_OUT_SINCE if is_covered else Message.OPT_OUT_THERE)
