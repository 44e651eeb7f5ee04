"""When a row that waits for its time is sent: then, if a drain is planned, else by the sweep."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from conversion_sync.models import Status, SyncedModel
from conversion_sync.models.clock import believed
from conversion_sync.models.wakeup import Wakeup
from conversion_sync.sync.planning import WITHIN

__all__ = ["comes_soon", "planned_drain", "sent_at"]


def planned_drain(using: str, now: datetime.datetime) -> datetime.datetime | None:
    """When the next drain is planned; None where none is, but for the sweep. One query."""
    planned = Wakeup.only(using).values_list("next_drain_at", flat=True)
    # Not "first", which would order the one row.
    at = believed(next(iter(planned), None), now, WITHIN.total_seconds())
    return at if at is not None and at > now else None


def comes_soon(rows: Iterable[SyncedModel], now: datetime.datetime) -> bool:
    """Whether it matters to what is said of any of these rows which drain is planned."""
    pending = (row.due_at for row in rows if row.sync_status == Status.PENDING)
    return any(due_at is not None and now < due_at < now + WITHIN for due_at in pending)


def sent_at(
    due_at: datetime.datetime, now: datetime.datetime, planned: datetime.datetime | None
) -> datetime.datetime | None:
    """When a row that is due then will be sent; None: by the next sweep, in about a minute.

    Args:
        planned: the next drain, whose end plans the one after it.
    """
    if due_at <= now or due_at >= now + WITHIN:
        return due_at
    return max(due_at, planned) if planned else None
