"""Contacts and engagements at the vendor's ceiling of ten calls a second, whatever the latency.

The rate is what the server saw, from the first arrival to the last.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import rows
from benchmarks.apart import Done, done_apart
from benchmarks.figure import Figure
from benchmarks.server import Report, StandIn, sending
from benchmarks.sizes import Sizes

RATE, BATCH = 10, 200
#: Of the ceiling.
SHARE = 0.93


def times(sizes: Sizes) -> Iterator[Figure]:
    """Send for some seconds at each latency."""
    of_contacts, of_engagements = sizes.latencies
    for latency in of_contacts:
        rows.due_contacts(int(RATE * sizes.seconds) * BATCH)
        done, report = _send(latency)
        name = f"contacts at the ceiling, {_ms(latency)} ms of latency, {sizes.seconds:g} s"
        yield Figure(
            name,
            report.rows_a_second,
            "rows/s",
            f"the limit: {RATE * BATCH:,} rows/s; {_calls(report)}",
            SHARE * RATE * BATCH,
            at_least=True,
        )
        yield _processor(name, done)
    for latency in of_engagements:
        rows.due_engagements(int(RATE * sizes.seconds))
        done, report = _send(latency)
        yield Figure(
            f"engagements at the ceiling, {_ms(latency)} ms of latency, {sizes.seconds:g} s",
            report.calls_a_second,
            "calls/s",
            f"the limit: {RATE} calls/s; {_calls(report)}",
            SHARE * RATE,
            at_least=True,
        )


def _send(latency: float) -> tuple[Done, Report]:
    with StandIn(latency) as server, sending(server.url, RATE_LIMIT=RATE):
        done = done_apart("benchmarks.work:drain_all")
        return done, server.report()


def _processor(name: str, done: Done) -> Figure:
    unit, name = "% of a core", f"{name}: worker and database"
    if done.processor is None:
        return Figure(name, None, unit, note="the database is on another machine")
    return Figure(name, 100 * done.processor / done.seconds, unit, target=50)


def _calls(report: Report) -> str:
    return f"{report.worst_second} calls in the worst second"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f}"
