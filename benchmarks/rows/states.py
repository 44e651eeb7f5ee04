"""What state a row is in, by its number: on each page of a list some have not arrived."""

from __future__ import annotations

import datetime
import json
import uuid
from typing import Any

from conversion_sync.models import Company, Contact, Deletion, Engagement, SubscriptionChange
from conversion_sync.records.last_sent import payload_of
from conversion_sync.records.snapshot import Snapshot

__all__ = ["DAY", "NOW", "created_at", "dice", "record_of", "state_of"]

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
YEARS = 3 * 365 * DAY

INVALID = "VALIDATION_ERROR"

#: Of each thousand rows the places of those that have not arrived, their state and error: on each
#: page of a list there are some.
STATES: dict[type[Any], list[tuple[range, str, str]]] = {
    Company: [(range(7, 1000, 100), "PENDING", ""), (range(11, 1000, 250), "FAILED", INVALID)],
    Contact: [
        (range(7, 1000, 100), "PENDING", ""),
        (range(57, 1000, 200), "PENDING", "INTERNAL_ERROR"),
        (range(157, 1000, 200), "PENDING", "NOT_SENT"),
        (range(11, 1000, 200), "FAILED", INVALID),
        (range(13, 1000, 1000), "FAILED", "FORBIDDEN"),
        (range(17, 1000, 2000), "SENDING", ""),
    ],
    SubscriptionChange: [
        (range(7, 1000, 50), "PENDING", ""),
        (range(11, 1000, 250), "FAILED", "CONSENT_BLOCKED"),
        (range(3, 1000, 20), "SUPERSEDED", ""),
    ],
    Engagement: [
        (range(7, 1000, 100), "PENDING", ""),
        (range(57, 1000, 100), "PENDING", "INTERNAL_ERROR"),
        (range(11, 1000, 250), "FAILED", INVALID),
        (range(13, 1000, 1000), "UNCONFIRMED", "NO_ANSWER"),
        (range(17, 1000, 2000), "SENDING", ""),
    ],
    Deletion: [(range(7, 1000, 50), "PENDING", ""), (range(11, 1000, 100), "FAILED", "FORBIDDEN")],
}

#: Of the contacts, those of one import, long ago, that were refused.
REFUSED = range(1001, 5001, 2)


def dice(number: int, salt: int = 0) -> int:
    """An even spread over a million, the same in each run."""
    return ((number + salt) * 2_654_435_761 >> 7) % 1_000_000


def created_at(number: int, last: int) -> datetime.datetime:
    return NOW - YEARS * (1 - number / last)


def _status(model: type[Any], number: int) -> tuple[str, str]:
    if model is Contact and number in REFUSED:
        return "FAILED", "DUPLICATE_ERROR"
    place = number % 1000
    states = ((status, error) for places, status, error in STATES[model] if place in places)
    return next(states, ("SYNCED", ""))


def state_of(model: type[Any], number: int, last: int) -> dict[str, Any]:
    status, error = _status(model, number)
    created = created_at(number, last)
    changed = max(created, NOW - YEARS * (dice(number, 7) / 1_000_000))
    due = None
    if status == "PENDING":
        due = NOW + DAY / 100 if error else min(NOW, changed)
    elif status == "SENDING":
        due = NOW + DAY / 1000
    return {
        "sync_status": status,
        "revision": 2,
        "due_at": due,
        "priority": 1,
        "claim": str(uuid.UUID(int=number)) if status == "SENDING" else None,
        "attempts": 3 if error else 0,
        "failing_since": changed if error else None,
        "last_error_code": error,
        "last_error_message": "It was refused because of a value of it." if error else "",
        "last_attempt_at": changed,
        "last_synced_at": changed if status == "SYNCED" else None,
        "last_call_id": None,
        "remote_id": f"rec_{number:024d}",
        "created_at": created,
        "updated_at": changed,
    }


def record_of(key: str, state: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
    return state | {
        "key": key,
        "sent_revision": 2,
        "sent_key": key,
        "sent_payload": json.dumps(payload_of(Snapshot(key, variables))),
        "synced_revision": 2 if state["sync_status"] == "SYNCED" else 1,
    }
