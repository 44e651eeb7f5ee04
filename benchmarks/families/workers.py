"""Several workers on one database: faster together than one, or no slower; and no row twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from django.db import connection

from benchmarks import rows
from benchmarks.apart import Apart
from benchmarks.figure import Figure
from benchmarks.server import Report, StandIn, sending
from benchmarks.sizes import Sizes

RATE, BATCH = 10, 200
SHARE = 0.93


def counts(sizes: Sizes) -> Iterator[Figure]:
    """Four workers at once: what arrived twice, and what the database refused."""
    contacts, _ = sizes.worked
    deadlocks = _deadlocks()
    report, _ = _send(4, contacts, RATE_LIMIT=100_000)
    yield _count("contacts that four workers sent twice", report.twice, contacts)
    yield _count("contacts that four workers did not send", contacts - report.rows, contacts)
    yield _count("deadlocks of four workers", _deadlocks() - deadlocks, contacts)


def times(sizes: Sizes) -> Iterator[Figure]:
    """One, two, four and eight with the limit lifted; four at the ceiling."""
    contacts, numbers = sizes.worked
    alone = 0.0
    for workers in (1, *numbers):
        _, seconds = _send(workers, contacts, RATE_LIMIT=100_000)
        rate = contacts / seconds
        alone = alone or rate
        if workers > 1:
            yield Figure(
                f"{workers} workers, {contacts:,} contacts, limit lifted, over one",
                rate / alone,
                "times",
                f"{rate:,.0f} rows/s; one: {alone:,.0f} rows/s",
                1,
                at_least=True,
            )
    report, _ = _send(4, int(RATE * sizes.seconds) * BATCH, latency=0.1, RATE_LIMIT=RATE)
    yield Figure(
        f"4 workers at the ceiling, 100 ms of latency, {sizes.seconds:g} s",
        report.rows_a_second,
        "rows/s",
        f"the limit: {RATE * BATCH:,} rows/s; {report.worst_second} calls in the worst second",
        SHARE * RATE * BATCH,
        at_least=True,
    )


def _count(name: str, count: int, of: int) -> Figure:
    return Figure(f"{name}, of {of:,}", count, target=0, is_count=True)


def _send(
    workers: int, contacts: int, *, latency: float = 0.0, **settings: float
) -> tuple[Report, float]:
    """Send so many contacts with so many workers.

    Returns what arrived, and the seconds of the slowest.
    """
    rows.due_contacts(contacts)
    with StandIn(latency) as server, sending(server.url, **settings), ExitStack() as stack:
        processes = [
            stack.enter_context(Apart("benchmarks.work:drain_all")) for _ in range(workers)
        ]
        for process in processes:
            process.go()
        longest = max(process.done().seconds for process in processes)
        return server.report(), longest


def _deadlocks() -> int:
    """How many the database has seen, all its connections together."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])
