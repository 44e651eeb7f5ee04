"""When a row that waits for its time is sent: then, if a drain is planned, else by the sweep.

And whether anything can be told of that at all: while the gate is closed, say, nothing can.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from conversion_sync.conf import conf
from conversion_sync.models import Status, SyncedModel
from conversion_sync.models.clock import believed
from conversion_sync.models.wakeup import Wakeup
from conversion_sync.sync.gate import Gate
from conversion_sync.sync.planning import WITHIN

__all__ = ["Outlook", "outlook"]

#: What the gate says where it opens again only when something has changed.
_SHUT = ("paused", "closed")


@dataclass(frozen=True)
class Outlook:
    """What is known of the drains to come.

    Attributes:
        planned: when the next one is planned; None where none is, but for the sweep.
        opens_at: before that the gate lets nothing through; None where it does.
        stopped: nothing is sent until somebody acts, or the API answers again.
        silent: the API has not answered lately.
    """

    planned: datetime.datetime | None = None
    opens_at: datetime.datetime | None = None
    stopped: bool = False
    silent: bool = False

    def can_tell(self, due_at: datetime.datetime | None, now: datetime.datetime) -> bool:
        """Whether a time can be told at which a row that is due then is sent."""
        if self.stopped:
            return False
        if due_at is None or due_at > now:
            return True
        waits_long = (now - due_at).total_seconds() > conf.stale_after
        return not (self.silent or waits_long)

    def sent_at(
        self, due_at: datetime.datetime, now: datetime.datetime
    ) -> datetime.datetime | None:
        """When a row that is due then is sent; None: by the next sweep, in about a minute."""
        due_at = max(due_at, self.opens_at or due_at)
        if due_at <= now or due_at >= now + WITHIN:
            return due_at
        return max(due_at, self.planned) if self.planned else None


def outlook(
    using: str, now: datetime.datetime, rows: Sequence[SyncedModel] | None = None
) -> Outlook:
    """What is known of the drains to come: two queries at most, and no more than is asked for.

    Args:
        rows: those of which it is asked; None: any.
    """
    if rows is not None and not any(row.sync_status == Status.PENDING for row in rows):
        return Outlook()
    gate = Gate(using).state()
    waits = gate.status == "waiting"
    return Outlook(
        planned=_planned(using, now) if rows is None or _comes_soon(rows, now) else None,
        opens_at=gate.until if waits else None,
        stopped=not conf.can_send or gate.status in _SHUT or gate.is_broken,
        silent=bool(gate.faults),
    )


def _planned(using: str, now: datetime.datetime) -> datetime.datetime | None:
    """When the next drain is planned; None where none is, but for the sweep. One query."""
    planned = Wakeup.only(using).values_list("next_drain_at", flat=True)
    # Not "first", which would order the one row.
    at = believed(next(iter(planned), None), now, WITHIN.total_seconds())
    return at if at is not None and at > now else None


def _comes_soon(rows: Sequence[SyncedModel], now: datetime.datetime) -> bool:
    """Whether it matters to what is said of any of these rows which drain is planned."""
    pending = (row.due_at for row in rows if row.sync_status == Status.PENDING)
    return any(due_at is not None and now < due_at < now + WITHIN for due_at in pending)
