"""Rows are compared with what Conversion answers of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from conversion_sync.api import NotFound, Withheld
from conversion_sync.conf import conf
from conversion_sync.models.record import Record
from conversion_sync.models.state import PERSON
from conversion_sync.records.mappers import mapper_of
from conversion_sync.sync.compare.comparison import Comparison, compare
from conversion_sync.sync.deliveries import Calls, Delivery, NoSlot
from conversion_sync.sync.kinds import KINDS
from conversion_sync.sync.loop import perform
from conversion_sync.sync.run import Run

__all__ = ["compare_many", "comparisons"]

#: Seconds between two looks at whether somebody stops what waits for the gate.
LOOK = 0.5


def comparisons(rows: Sequence[Record]) -> Delivery[list[Comparison]]:
    """Ask for the remote records of these rows, at once, and compare.

    Returns:
        What was found, in the order of the rows. Those that are lacking at its end were not asked
        about, for an answer said that no further call may be made.
    """
    if not rows:
        return []
    found = []
    answers = yield Calls([mapper_of(type(row)).get(row.wanted_key) for row in rows])
    for row, answer in zip(rows, answers, strict=True):
        if isinstance(answer.error, Withheld):
            break
        if isinstance(answer.error, NotFound):
            found.append(Comparison(row, is_missing=True))
        elif answer.error is not None:
            found.append(Comparison(row, answer.error))
        elif answer.result is not None:
            found.append(compare(row, answer.result))
    return found


def compare_many(
    rows: Iterable[Record], run: Run, *, give_way: bool = True
) -> Iterator[Comparison]:
    """Ask for the remote records of these rows, a few at once, and compare.

    Args:
        run: its time and its slots are used.
        give_way: ask nothing while a row that a person waits for is ready.

    Raises:
        NoSlot: the gate stays shut for longer than the run has time, or until it is stopped.
    """
    left = iter(rows)
    while not run.is_over() and (few := list(islice(left, max(1, conf.concurrency)))):
        while give_way and not run.is_over() and _somebody_waits(run.using):
            time.sleep(0.1)
        yield from _when_open(run, few)


def _when_open(run: Run, rows: Sequence[Record]) -> list[Comparison]:
    found = list[Comparison]()
    while len(found) < len(rows):
        try:
            found += perform(run, comparisons(rows[len(found) :]))
        except NoSlot as no_slot:
            if no_slot.wait is None or no_slot.wait > run.time_left():
                raise
            end = time.monotonic() + no_slot.wait
            while (pause := end - time.monotonic()) > 0:
                if run.stop():
                    raise
                time.sleep(min(pause, LOOK))
    return found


def _somebody_waits(using: str) -> bool:
    return any(kind.is_ready(using, [PERSON]) for kind in KINDS)
