"""Why a row has not arrived, and until when it waits: the one definition.

A claim passes by the rows that must wait for others (``waits_for``); the overview, the lists, their
filters and the badges say of each row which reason holds (``why``).
"""

from __future__ import annotations

import datetime
import enum
from typing import Any

from django.db.models import Case, CharField, Exists, OuterRef, Q, QuerySet, Value, When

from conversion_sync.models import (
    Deletion,
    Engagement,
    Record,
    Status,
    Subscription,
    SubscriptionChange,
    SyncedModel,
)
from conversion_sync.models.clock import DbNow
from conversion_sync.sync.types import Condition

__all__ = [
    "FOR_A_PERSON",
    "RETRYING",
    "TIMED",
    "Reason",
    "behind",
    "is_overtaken",
    "same_person",
    "waits_for",
    "why",
]

#: A row in one of these is sent without anybody doing anything.
MOVING = (Status.PENDING, Status.SENDING)


_PENDING = Q(sync_status=Status.PENDING)

#: Of the contact of an event: it was never confirmed at its key; it has none; it failed; it moves.
_NEW = Q(contact__synced_revision=0, contact__key__isnull=False)
_KEYLESS = Q(contact__key__isnull=True)
_FAILED = Q(contact__sync_status=Status.FAILED)
_MOVING = Q(contact__sync_status__in=MOVING)


class Reason(enum.StrEnum):
    """Why a row has not arrived."""

    READY = "ready"
    LATER = "later"
    RETRY = "retry"
    SENDING = "sending"
    CONTACT = "contact"
    CONTACT_FAILED = "contact failed"
    EARLIER = "earlier"
    OLD_EMAIL = "old email"
    DELETION = "deletion"
    DELETION_FAILED = "deletion failed"
    IN_DOUBT = "in doubt"
    FAILED = "failed"


#: Reasons that end at a time: that at which the row is due.
TIMED = (Reason.LATER, Reason.RETRY)

#: Reasons that end when a person has dealt with the row, or with the one that it waits for.
FOR_A_PERSON = (
    Reason.CONTACT_FAILED,
    Reason.DELETION_FAILED,
    Reason.IN_DOUBT,
    Reason.FAILED,
)

#: Pending rows that were tried in vain since they last changed; an index begins with two of these
#: columns. One that has to wait for others besides, first waits for those.
RETRYING = (
    Q(sync_status=Status.PENDING)
    & ~Q(last_error_code="")
    & (Q(attempts__gt=0) | Q(failing_since__isnull=False))
)


def why(model: type[SyncedModel], using: str, now: datetime.datetime | DbNow) -> Case:
    """An annotation: the ``Reason`` why a row of the model has not arrived; blank if it has.

    Blank also of what was superseded. A row with a reason of ``TIMED`` waits until its ``due_at``;
    the other reasons end when something else happens.

    Args:
        now: the time of the database, or the expression for it.
    """
    reasons = [
        (Reason.FAILED, Q(sync_status=Status.FAILED)),
        (Reason.IN_DOUBT, Q(sync_status=Status.UNCONFIRMED)),
        (Reason.SENDING, Q(sync_status=Status.SENDING)),
        # What has to wait for others was put off: when it is due again says nothing.
        *((reason, _PENDING & condition) for reason, condition in behind(model, using)),
        (Reason.RETRY, RETRYING),
        (Reason.LATER, _PENDING & Q(due_at__gt=now)),
        (Reason.READY, _PENDING),
    ]
    whens = [When(condition, then=Value(reason.value)) for reason, condition in reasons]
    return Case(*whens, default=Value(""), output_field=CharField())


def waits_for(model: type[SyncedModel], using: str) -> Case:
    """An annotation: the reason why a due row of the model must wait; blank if it is ready."""
    whens = [
        When(condition, then=Value(reason.value)) for reason, condition in behind(model, using)
    ]
    return Case(*whens, default=Value(""), output_field=CharField())


def behind(model: type[SyncedModel], using: str) -> list[tuple[Reason, Condition]]:
    """What a row of the model may have to wait for; the first that holds is the reason."""
    if issubclass(model, Record):
        return _behind_deletions(using, Deletion.Kind(str(model._meta.model_name)))
    if issubclass(model, SubscriptionChange):
        return _behind_people(using)
    if issubclass(model, Engagement):
        unknown = _NEW | _KEYLESS
        return [(Reason.CONTACT_FAILED, unknown & _FAILED), (Reason.CONTACT, unknown | _MOVING)]
    return []


def same_person(rows: QuerySet[Any]) -> Condition:
    """Whether one of these subscription changes is of the same contact or the same address."""
    return Exists(rows.filter(contact=OuterRef("contact"))) | Exists(
        rows.filter(address=OuterRef("address"))
    )


def is_overtaken(using: str) -> Condition:
    """Whether a subscription change no longer matters: a newer one, or no contact, made it so.

    An opt-out is never overtaken; nor is a change that is on its way to a contact that exists.
    """
    newer = SubscriptionChange.unmarked.using(using).filter(pk__gt=OuterRef("pk"))
    newer = newer.filter(
        Q(sync_status__in=(*MOVING, Status.SYNCED)) | Q(status=Subscription.UNSUBSCRIBED)
    )
    free = Q(sync_status=Status.PENDING, claim__isnull=True)
    return ~Q(status=Subscription.UNSUBSCRIBED) & (Q(contact=None) | (free & same_person(newer)))


def _behind_deletions(using: str, kind: Deletion.Kind) -> list[tuple[Reason, Condition]]:
    """A deletion of a key goes before an upsert of that key; a failed one waits for staff."""
    deletions = Deletion.objects.using(using).holding_up(kind).filter(key=OuterRef("key"))
    return [
        (Reason.DELETION_FAILED, Exists(deletions.failed())),
        (Reason.DELETION, Exists(deletions)),
    ]


def _behind_people(using: str) -> list[tuple[Reason, Condition]]:
    """One change of a person is in flight at a time; an opt-out waits only for a first push."""
    opt_out = Q(status=Subscription.UNSUBSCRIBED)
    unknown = _NEW | _KEYLESS
    # Once that has failed, or where there is none, an opt-out goes by its address. So it does where
    # the push itself waits for staff, who have to say what becomes of a deletion that failed.
    deletions = Deletion.objects.using(using).holding_up(Deletion.Kind.CONTACT).failed()
    never = Exists(deletions.filter(key=OuterRef("contact__key")))
    first_push = _NEW & _MOVING & Q(contact__failing_since__isnull=True) & ~never
    # An older change that is neither in flight nor an opt-out is overtaken: nobody waits for it.
    older = SubscriptionChange.unmarked.using(using).filter(
        Q(sync_status=Status.SENDING)
        | Q(sync_status=Status.PENDING, status=Subscription.UNSUBSCRIBED),
        pk__lt=OuterRef("pk"),
    )
    predecessors = Deletion.objects.using(using).open().filter(successor=OuterRef("contact"))
    return [
        (Reason.EARLIER, same_person(older)),
        (Reason.CONTACT_FAILED, ~opt_out & unknown & _FAILED),
        (Reason.CONTACT, (opt_out & first_push) | (~opt_out & (unknown | _MOVING))),
        (Reason.OLD_EMAIL, ~opt_out & Exists(predecessors)),
    ]
