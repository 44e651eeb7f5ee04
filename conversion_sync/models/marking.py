"""The assignments that make a changed row due.

The row is the outbox: whatever changes a row through the ORM makes it due in the same
statement.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Case, F, Value, When

from conversion_sync.models.attribution import attribution
from conversion_sync.models.clock import DbNow
from conversion_sync.models.state import BULK, PERSON, Status

__all__ = ["marking", "urgency"]


def marking(priority: int = BULK) -> dict[str, Any]:
    """The assignments that make a changed row due; a claimed one is made due by its settling.

    A bulk change leaves the priority as it is: it never demotes what a person waits for.
    """
    marks: dict[str, Any] = {
        "revision": F("revision") + 1,
        "due_at": Case(When(claim__isnull=True, then=DbNow()), default=F("due_at")),
        "sync_status": Case(
            When(claim__isnull=True, then=Value(Status.PENDING.value)), default=F("sync_status")
        ),
        "attempts": 0,
        "failing_since": None,
    }
    if priority == PERSON:
        marks["priority"] = PERSON
    return marks


def urgency() -> dict[str, Any]:
    """The assignment of the priority where a person waits; none in bulk."""
    return {} if attribution().bulk else {"priority": PERSON}
