"""What is written of claimed rows before the call; after a crash, what may have arrived."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.db.models import F

from conversion_sync.conf import conf
from conversion_sync.models import Record, Status, SubscriptionChange
from conversion_sync.models.clock import DbNow
from conversion_sync.records.last_sent import payload_of
from conversion_sync.sync.claim.claim import Claim, write
from conversion_sync.sync.states import in_seconds, since

__all__ = ["stamp"]


def stamp(claim: Claim) -> None:
    """Write down who holds the rows, for how long, and what will be sent of them."""
    stamps: dict[str, Any] = {
        "claim": claim.token,
        "sync_status": Status.SENDING,
        "due_at": in_seconds(conf.lease),
        "last_attempt_at": DbNow(),
    }
    own: dict[str, dict[int, Any]] = {}
    if issubclass(claim.model, Record):
        stamps |= {"sent_revision": F("revision"), "sent_key": F("key")}
        own["sent_payload"] = {pk: payload_of(claim.payloads[pk]) for pk in claim.pks}
        for row in claim.rows:
            if row.is_in_doubt:
                claim.doubtful.add(row.pk)
            row.sent_revision, row.sent_key = row.revision, row.key
    taken_over = {row.pk for row in claim.rows if row.claim is not None}
    if issubclass(claim.model, SubscriptionChange):
        own["address"] = _addresses(claim)
        doubtful = {row.pk for row in claim.rows if row.may_have_arrived_at is not None}
        claim.doubtful |= doubtful | taken_over
    # A lease that ran out is a try like any other: what kills its workers ends up alone.
    again = {"attempts": F("attempts") + 1, "failing_since": since(), **claim.model.doubt()}
    write(claim, set(claim.pks) - taken_over, stamps, own)
    write(claim, taken_over, stamps | again, own)


def _addresses(claim: Claim) -> dict[int, str]:
    """A change goes to the key that its contact has now, or would have."""
    moved = {}
    for row in claim.rows:
        if row.contact is not None and row.address != row.contact.wanted_key:
            moved[row.pk] = row.address = row.contact.wanted_key
            claim.payloads[row.pk] = replace(claim.payloads[row.pk], email=row.address)
    return moved
