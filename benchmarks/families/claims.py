"""What a batch costs the database while there are few rows or many: it must not grow."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.db.models import F

from benchmarks import rows
from benchmarks.figure import Figure
from benchmarks.server import StandIn, sending
from benchmarks.sizes import Sizes
from conversion_sync.models import Contact
from conversion_sync.models.clock import DbNow
from conversion_sync.sync.drain import drain

BATCH = 200
#: Of each drain that is measured; the median of some counts.
BATCHES, DRAINS = 5, 5
MOST = 1.5


def times(sizes: Sizes) -> Iterator[Figure]:
    """Measure where nearly all has arrived, and where all waits."""
    with StandIn() as server, sending(server.url, CONCURRENCY=1):
        costs = {size: _with_few_due(size) for size in sizes.backlogs}
        yield _growth("nearly all arrived", costs)
        costs = {size: _with_all_due(size) for size in sizes.backlogs}
        yield _growth("all of them due", costs)


def _growth(how: str, costs: dict[int, float]) -> Figure:
    first, *_, last = costs
    return Figure(
        f"claim of a batch among {last:,} rows over {first:,}, {how}",
        costs[last] / costs[first],
        "times",
        "; ".join(f"{size:,}: {ms:.1f} ms" for size, ms in costs.items()),
        MOST,
    )


def _with_few_due(size: int) -> float:
    """Milliseconds of the database a batch, where some hundreds of so many rows are due."""
    rows.arrived_contacts(size)
    due = list(range(1, size + 1, size // min(size, BATCHES * BATCH)))[: BATCHES * BATCH]
    costs = []
    for number in range(DRAINS):
        edited = {"title": f"Edit {number}", "sync_status": "PENDING", "due_at": DbNow()}
        Contact.unmarked.filter(pk__in=due).update(revision=F("revision") + 1, **edited)
        costs.append(_cost())
    return statistics.median(costs)


def _with_all_due(size: int) -> float:
    """Milliseconds of the database a batch, where so many rows are due."""
    costs = []
    for number in range(DRAINS):
        if number == 0 or size <= DRAINS * BATCHES * BATCH:
            rows.due_contacts(size)
        costs.append(_cost())
    return statistics.median(costs)


def _cost() -> float:
    """Drain some batches: milliseconds that the database took for each."""
    cost, settled = _Cost(), 0

    def count(rows: int) -> None:
        nonlocal settled
        settled += rows

    with connection.execute_wrapper(cost):
        report = drain(60, on_progress=count, stop=lambda: settled >= BATCHES * BATCH)
    return cost.seconds * 1000 / report.calls


class _Cost:
    """Adds up the seconds that statements take."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.seconds += time.perf_counter() - began
