"""The contacts of renamed companies: a step of the drain makes them due.

A company's new name leaves a mark on the company (``renamed_revision``), committed with it. The
contacts that are visible after that commit carry the name, whoever put them there meanwhile; so
it is then that they are marked. The mark is taken off when all have been looked at, and only if
no further name has come since.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from conversion_sync.models import Company, Contact, Status
from conversion_sync.models.chunks import in_chunks
from conversion_sync.models.locking import locking
from conversion_sync.models.marking import marking
from conversion_sync.records.company_links import NAME
from conversion_sync.records.last_sent import read
from conversion_sync.sync.retry import retried
from conversion_sync.sync.transactions import short_transaction

__all__ = ["Renames", "waiting"]

#: Companies that are dealt with together, contacts found at once, and those of one transaction.
COMPANIES, WINDOW, ROWS_AT_ONCE = 100, 20_000, 500

#: Seconds for which one step goes on.
STEP_SECONDS = 0.1

#: Seconds after which contacts that others had locked are looked at again.
LOCKED_AGAIN_AFTER = 1.0


@dataclass
class _Pass:
    """One look at all contacts of some renamed companies.

    Attributes:
        marks: the mark of each company, by primary key, as it was when the look began.
        names: the names that the contacts have to carry.
        chunks: what is left of it.
        missed: the companies of contacts that somebody else had locked.
    """

    marks: dict[int, int]
    names: dict[int, str]
    chunks: Iterator[Sequence[int]]
    missed: set[int] = field(default_factory=set)


def waiting(using: str) -> QuerySet[Any]:
    """The companies whose new names have still to be spread."""
    rows: QuerySet[Any] = Company.unmarked.using(using)
    return rows.filter(renamed_revision__isnull=False)


class Renames:
    """Passes over the contacts of renamed companies, one after the other, for one drain."""

    def __init__(self, using: str) -> None:
        self.using = using
        self._pass: _Pass | None = None
        self._again_at: dict[int, float] = {}

    def step(self) -> int:
        """Go on for a moment. Returns the number of contacts and companies dealt with."""
        end, done = time.monotonic() + STEP_SECONDS, 0
        while time.monotonic() < end:
            current = self._pass = self._pass or self._begin()
            if current is None:
                break
            pks = next(current.chunks, None)
            if pks is None:
                self._pass = None
                done += self._finish(current)
            else:
                done += len(pks)
                current.missed |= _mark(self.using, pks, current.names)
        return done

    @retried
    def _begin(self) -> _Pass | None:
        now = time.monotonic()
        resting = [pk for pk, again_at in self._again_at.items() if again_at > now]
        rows = waiting(self.using).exclude(pk__in=resting).order_by("pk")
        found = list(rows.values_list("pk", "renamed_revision", "company_name")[:COMPANIES])
        if not found:
            return None
        names = {pk: name for pk, _, name in found}
        chunks = _chunks(self.using, list(names))
        return _Pass({pk: mark for pk, mark, _ in found}, names, chunks)

    @retried
    def _finish(self, current: _Pass) -> int:
        """Take the marks off, where nothing was missed and no other name has come."""
        self._again_at |= dict.fromkeys(current.missed, time.monotonic() + LOCKED_AGAIN_AFTER)
        seen = current.marks.keys() - current.missed
        with short_transaction(self.using):
            rows = locking(waiting(self.using).filter(pk__in=seen).order_by("pk"), skip_locked=True)
            marks = dict(rows.values_list("pk", "renamed_revision"))
            done = [pk for pk, mark in marks.items() if mark == current.marks[pk]]
            waiting(self.using).filter(pk__in=done).update(renamed_revision=None)
        # Somebody holds the others: their names are looked at when that is over.
        self._again_at |= dict.fromkeys(seen - {*done}, time.monotonic() + LOCKED_AGAIN_AFTER)
        return len(done)


def _chunks(using: str, companies: Sequence[int]) -> Iterator[Sequence[int]]:
    """The contacts of these companies, a few at a time."""
    rows = Contact.unmarked.using(using).filter(company__in=companies, key__isnull=False)
    last = 0
    while True:
        window = rows.filter(pk__gt=last).order_by("pk")
        pks = list(window.values_list("pk", flat=True)[:WINDOW])
        yield from in_chunks(pks, ROWS_AT_ONCE)
        if len(pks) < WINDOW:
            return
        last = pks[-1]


@retried
def _mark(using: str, pks: Sequence[int], names: dict[int, str]) -> set[int]:
    """Make those of the contacts due that do not carry the new name.

    Returns:
        The companies of those that somebody else has locked.
    """
    table = Contact.unmarked.using(using).filter(pk__in=pks, company__in=names)
    states = ("sent_payload", "revision", "sent_revision", "claim", "sync_status")
    columns = ("pk", "company_id", *states)
    # A claim that goes on now may have read the old name: it holds the lock until it has stamped.
    # What is at rest, and carries the name, needs none.
    found = table.values(*columns)
    suspects = [
        row["pk"] for row in found if _is_moving(row) or _is_behind(row, names[row["company_id"]])
    ]
    if not suspects:
        return set()
    with short_transaction(using):
        rows = locking(table.filter(pk__in=suspects).order_by("pk"), skip_locked=True)
        locked = list(rows.values(*columns))
        behind = [row["pk"] for row in locked if _is_behind(row, names[row["company_id"]])]
        if behind:
            Contact.unmarked.using(using).filter(pk__in=behind).update(**marking())
        others = table.filter(pk__in={*suspects} - {row["pk"] for row in locked})
        return set(others.values_list("company_id", flat=True))


def _is_moving(contact: Mapping[str, Any]) -> bool:
    """Whether a claim may be taking the contact at this moment."""
    return contact["claim"] is not None or contact["sync_status"] == Status.PENDING


def _is_behind(contact: Mapping[str, Any], name: str) -> bool:
    """Whether nothing that waits or is under way brings the name."""
    claim, status = contact["claim"], contact["sync_status"]
    if claim is None and status == Status.PENDING:
        return False
    if claim is not None and contact["revision"] != contact["sent_revision"]:
        return False  # It was changed in flight, and is sent again.
    sent = read(contact["sent_payload"])
    return ((sent and sent.company.get(NAME)) or "") != name
