"""Planning a drain for when the next row is due, so that it is sent then, not a sweep later.

Whoever has planned it comes back, or asks for a drain, at that time; what is planned is kept, so
that one worker does, and all can say when a row is tried again.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connections
from django.db.models import Exists, Q, QuerySet

from conversion_sync.models import Heartbeat, SyncedModel
from conversion_sync.models.clock import DbNow, db_now
from conversion_sync.models.state import BULK, PERSON
from conversion_sync.models.wakeup import Wakeup
from conversion_sync.sync.gate import Gate
from conversion_sync.sync.kinds import MODELS
from conversion_sync.sync.readiness import waits_for
from conversion_sync.sync.retry import retried

__all__ = ["WITHIN", "PlannedDrain", "forget", "next_due", "plan"]

#: What is due later than that is left to the sweep, which comes as often.
WITHIN = datetime.timedelta(seconds=60)

#: A row that is due so shortly before a planned drain waits for that.
SAME = datetime.timedelta(seconds=1)

#: So many rows that are due next are looked at, of each model and priority.
FEW = 50


@dataclass(frozen=True)
class PlannedDrain:
    """A drain that is to come.

    Attributes:
        at: by the clock of the database.
        seconds: until then.
    """

    at: datetime.datetime
    seconds: float


def plan(using: str) -> PlannedDrain | None:
    """Plan a drain for when the next row is due; who is given it has to see that it comes.

    Returns:
        None where no row is due soon, the gate is shut, or a drain has been planned that is soon
        enough.
    """
    at = next_due(using)
    if at is None or retried(Gate(using).state)().status != "open" or not _take(using, at):
        return None
    return PlannedDrain(at, max(0.0, (at - db_now(using)).total_seconds()))


@retried
def forget(using: str, planned: PlannedDrain) -> None:
    """Take back a plan, where it is the one that stands: nobody comes."""
    Wakeup.only(using).filter(next_drain_at=planned.at).update(next_drain_at=None)


@retried
def next_due(using: str) -> datetime.datetime | None:
    """When the next row comes due that need not wait for others; None: none does ``WITHIN``."""
    found = (_first_of(rows) for rows in _coming(using))
    return min(filter(None, found), default=None)


@retried
def _take(using: str, at: datetime.datetime) -> bool:
    """Have the next drain at this time, unless another one has it hardly later."""
    # What stands for longer than any plan can is of a clock that was set back, and later than this.
    over = Q(next_drain_at__lte=DbNow()) | Q(next_drain_at__gt=at + SAME)
    free = Wakeup.only(using).filter(Q(next_drain_at=None) | over)
    if free.update(next_drain_at=at):
        return True
    if Wakeup.only(using).exists():
        return False
    Wakeup.load(using)
    return bool(free.update(next_drain_at=at))


def _first_of(rows: QuerySet[Any]) -> datetime.datetime | None:
    """When the first of these rows is due that need not wait for others: one of a few is."""
    first = rows.annotate(waits_for=waits_for(rows.model, rows.db)).order_by("due_at")
    columns = first.values_list("due_at", "waits_for")[:FEW]
    return next((due_at for due_at, reason in columns if not reason), None)


def _coming(using: str) -> Iterator[QuerySet[Any]]:
    """The rows that come due soon, by model and priority, where there are any: one query."""
    sql, parameters = _query(using)
    with connections[using].cursor() as cursor:
        cursor.execute(sql, parameters)
        flags = cursor.fetchone() or ()
    parts = [(model, priority) for model in MODELS for priority in (PERSON, BULK)]
    for (model, priority), is_any in zip(parts, flags, strict=False):
        if is_any:
            yield _of(model, using, priority)


@functools.cache
def _query(using: str) -> tuple[str, Sequence[Any]]:
    """A query with a flag for each, which Django takes longer to build than it runs."""
    parts = [_of(model, using, priority) for model in MODELS for priority in (PERSON, BULK)]
    flags = {f"is_{number}": Exists(rows) for number, rows in enumerate(parts)}
    beat = Heartbeat.only(using).annotate(**flags).values_list(*flags)
    sql, parameters = beat.query.get_compiler(using).as_sql()
    return sql, parameters


def _of(model: type[SyncedModel], using: str, priority: int) -> QuerySet[Any]:
    rows: QuerySet[Any] = model.unmarked.using(using).filter(priority=priority, claim=None)
    return rows.filter(due_at__gt=DbNow(), due_at__lte=DbNow() + WITHIN)
