"""How many statements a full batch takes, from its claim until it is settled and logged; and one
contact alone, in a drain with nothing else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from django.db import connection
from django.test.utils import CaptureQueriesContext

from benchmarks import rows
from benchmarks.figure import Figure
from benchmarks.server import StandIn, sending
from benchmarks.sizes import Sizes
from conversion_sync.sync.drain import drain

BATCH = 200
FEW, MANY = 2, 6

#: What a transaction adds.
FRAMING = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT", "SET ")
#: What stands outside of a batch's way from its claim until it is settled: what is due and whose
#: turn it is, the slots and what the gate learns, which batches share, and the look at the lease.
OUTSIDE = ("what is due", "ready?", "slot", "success", "time", "the look at the lease")
#: What is done once more where a slot was used late.
LATE = ("ready?", "slot", "time", "the look at the lease")

#: Words in a statement that tell it from others of its table.
NOTES = {
    "is_ours": "the look at the lease",
    "is_0": "what is due",
    "waits_for": "ready?",
    "next_slot_at": "slot",
    "last_ok_at": "success",
}


def counts(sizes: Sizes) -> Iterator[Figure]:
    """The statements of drains of some batches; what more batches add is a batch's."""
    with StandIn() as server, sending(server.url):
        _statements(1)  # makes the tables of one row
        alone = min(_in_time(_statements(1)) for _ in range(3))
        few, many = (Counter(_statements(batches * BATCH)) for batches in (FEW, MANY))
    yield Figure(
        "statements for one contact alone",
        alone,
        target=20,
        is_count=True,
    )
    more = {shape: (many[shape] - few[shape]) / (MANY - FEW) for shape in many}
    own = {shape: count for shape, count in more.items() if not shape.endswith(OUTSIDE)}
    yield Figure(
        "statements of a full batch, from claim to settled and logged",
        sum(own.values()),
        beside=_listed(own),
        note=f"{sum(more.values()):g} with what is due, slots, clock and lease",
        target=8,
        is_count=True,
    )


def _in_time(statements: list[str]) -> int:
    """How many there are where the slot is used in time; a late one is the machine's doing."""
    return sum(
        min(count, 1) if shape.endswith(LATE) else count
        for shape, count in Counter(statements).items()
    )


def _listed(shapes: Mapping[str, float]) -> str:
    return ", ".join(f"{count:g} {shape}" for shape, count in shapes.items() if count)


def _statements(count: int) -> list[str]:
    """The statements of a drain of so many contacts, framing aside, without their values."""
    rows.due_contacts(count)
    with CaptureQueriesContext(connection) as queries:
        drain(600.0)
    found = [query["sql"] for query in queries if not query["sql"].startswith(FRAMING)]
    return [_shape(sql) for sql in found]


def _shape(sql: str) -> str:
    """The verb and the table of a statement, and a word or two that tell it from others."""
    verb = sql.strip("(").split(None, 1)[0]
    table = re.search(r"conversion_sync_(\w+)", sql)
    note = next((note for mark, note in NOTES.items() if mark in sql), "")
    return " ".join(filter(None, (verb, table[1] if table else "time", note)))
