"""The first of two passes over a file: what all cells of each column show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from django.utils.translation import gettext as _

from conversion_sync.importing.choices import SKIP, Choice
from conversion_sync.importing.columns import Column
from conversion_sync.importing.files.records import FileRecord
from conversion_sync.importing.reading.readings import AsText, Fate
from conversion_sync.importing.reading.spoiled import Harm, harmed

__all__ = ["Inspection", "Spoiled"]

LINES_AT_ONCE = 1000

#: So many cells of a column are shown as examples, and so many spoiled ones are named.
EXAMPLES, NAMED = 3, 100


@dataclass(frozen=True, slots=True)
class Spoiled:
    """A cell that a spreadsheet has spoiled."""

    line: int
    title: str
    text: str
    harm: Harm
    fate: Fate


@dataclass
class Inspection:
    """What has been seen of a file; it takes the same memory for any length of it."""

    columns: Sequence[Column]
    last_line: int = 0
    #: The first spoiled cells, and how many there are by column and what has happened to them.
    spoiled: list[Spoiled] = field(default_factory=list)
    harms: Counter[tuple[str, Harm]] = field(default_factory=Counter)
    #: How many lines have so many cells, fewer than the header has, and the first of each.
    short: Counter[int] = field(default_factory=Counter)
    first_short: dict[int, int] = field(default_factory=dict)

    def look(self, records: Iterator[FileRecord]) -> None:
        """Look at all lines below the header, and have the columns settle how they are read."""
        numbers = {column.place: _RowNumbers() for column in self.columns if column.is_unnamed}
        while chunk := list(islice(records, LINES_AT_ONCE)):
            self.last_line = chunk[-1].number
            readable = [record for record in chunk if any(record.cells) and not record.reason]
            self._note_short(readable)
            for column, cells in zip(self.columns, self._columns_of(readable), strict=False):
                if column.is_unnamed:
                    numbers[column.place].look(cells)
                self._look_at(column, cells, readable)
        for column in self.columns:
            if column.is_unnamed and numbers[column.place].are_all:
                _leave_out(column)
            column.settle()
        self._forget_the_whole()

    @property
    def width(self) -> int:
        """The columns up to the last one that is not left behind by a spreadsheet."""
        return max((c.place + 1 for c in self.columns if not c.is_empty), default=0)

    @property
    def padded(self) -> int:
        """The lines that have fewer cells than that."""
        return sum(count for length, count in self.short.items() if length < self.width)

    @property
    def first_padded(self) -> int:
        """The first of them."""
        short = {length: line for length, line in self.first_short.items() if length < self.width}
        return min(short.values(), default=0)

    def _note_short(self, records: Iterable[FileRecord]) -> None:
        for number, cells, _reason in records:
            if len(cells) < len(self.columns):
                self.short[len(cells)] += 1
                self.first_short.setdefault(len(cells), number)

    def _columns_of(self, records: Iterable[FileRecord]) -> Iterator[Sequence[str]]:
        width = len(self.columns)
        rows = [[*record.cells, *[""] * (width - len(record.cells))] for record in records]
        return zip(*rows, strict=False)

    def _look_at(self, column: Column, cells: Sequence[str], records: Sequence[FileRecord]) -> None:
        found = list(filter(None, dict.fromkeys(cells)))
        if not found:
            return
        if len(column.examples) < EXAMPLES:
            column.examples = list(islice(dict.fromkeys([*column.examples, *found]), EXAMPLES))
        fates = column.reading.fates
        if harms := harmed(found, fates):
            self._note_harms(column, cells, records, harms)
            lost = {text for text, harm in harms.items() if fates[harm] is not Fate.KEPT}
            found = [text for text in found if text not in lost]
        column.reading.look(found)

    def _note_harms(
        self,
        column: Column,
        cells: Sequence[str],
        records: Sequence[FileRecord],
        harms: Mapping[str, Harm],
    ) -> None:
        for text, record in zip(cells, records, strict=True):
            if harm := harms.get(text):
                self.harms[column.title, harm] += 1
                if len(self.spoiled) < NAMED:
                    fate = column.reading.fates[harm]
                    self.spoiled.append(Spoiled(record.number, column.title, text, harm, fate))

    def _forget_the_whole(self) -> None:
        """Of some harms only all cells of a column show that they are none."""
        self.spoiled.sort(key=lambda one: one.line)
        fates = {column.title: column.reading.fates for column in self.columns}
        self.spoiled = [one for one in self.spoiled if one.harm in fates[one.title]]
        self.harms = Counter(
            {key: count for key, count in self.harms.items() if key[1] in fates[key[0]]}
        )


class _RowNumbers:
    """Whether a column does nothing but count the rows, as pandas writes it."""

    def __init__(self) -> None:
        self.are_all = True
        self._next: int | None = None

    def look(self, cells: Iterable[str]) -> None:
        for text in cells:
            if self._next is None:
                self._next = 1 if text == "1" else 0
            self.are_all &= text == str(self._next)
            self._next += 1


def _leave_out(column: Column) -> None:
    if not column.is_waiting and not column.is_empty:
        column.guess = column.choice = Choice(SKIP)
        column.reading = AsText()
        column.why = _("it only counts the rows")
