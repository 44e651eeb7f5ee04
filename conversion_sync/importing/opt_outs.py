"""The opt-outs of a file: they are found on lines, too, that are bad for any other reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.core.exceptions import ValidationError

from conversion_sync.importing.columns import Column
from conversion_sync.importing.errors import UnreadableCell
from conversion_sync.importing.headers import OPT_OUT
from conversion_sync.importing.layout import STATUS, UNSUBSCRIBED, Layout
from conversion_sync.importing.reading.fields import StatusReading
from conversion_sync.importing.source import BadLine, Line
from conversion_sync.models.validators import validate_address

__all__ = ["OptOut", "OptOutFinder", "is_address"]


@dataclass(frozen=True, slots=True)
class OptOut:
    """The opt-out that a line brings; ``key`` is whose it is, "" where that can't be told."""

    key: str


class OptOutFinder:
    """Finds the opt-outs of one file, if it has a column that can bring one."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        columns = [c for c in layout.columns if not c.is_empty]
        self._columns = [c for c in columns if c.choice.target in (STATUS, OPT_OUT)]
        self._keys = [c for c in columns if c.choice.target == layout.table.key]

    def __bool__(self) -> bool:
        """Whether a line of the file can bring an opt-out."""
        return bool(self._columns)

    def keys(self) -> frozenset[str]:
        """Who opts out anywhere in the file. Reads all of it."""
        found = (self.of(line) for line in self._layout.lines()) if self else iter(())
        return frozenset(one.key for one in found if one and one.key)

    def of(self, line: Line | BadLine) -> OptOut | None:
        """The opt-out that a line brings, whatever else is wrong with it."""
        if not self:
            return None
        if isinstance(line, Line):
            columns = self._layout.for_table
            is_one = line.cells[columns.known[STATUS]].upper() == UNSUBSCRIBED
            return OptOut(self._layout.table.key_of(line, columns)) if is_one else None
        # A separator too many has moved the cells behind it, and so has one too few.
        moved = len(line.cells) - len(self._layout.titles)
        if any(_opts_out(c, text) for c in self._columns for text in _near(line.cells, c, moved)):
            return OptOut(self._person(line.cells, moved))
        return None

    def is_said(self, line: Line | BadLine) -> bool:
        """Whether any cell of a bad line has a word for an opt-out that means nothing else."""
        status, cells = StatusReading(), line.record if isinstance(line, Line) else line.cells
        return bool(self) and any(status.read(text).upper() == UNSUBSCRIBED for text in cells)

    def _person(self, cells: Sequence[str], moved: int) -> str:
        """The one address that stands where the key may have been moved to; "" if not just one."""
        texts = [text for column in self._keys for text in _near(cells, column, moved)]
        found = {key for key in map(self._layout.table.normal, texts) if is_address(key)}
        return found.pop() if len(found) == 1 else ""


def is_address(key: str) -> bool:
    """Whether an opt-out can be entered for this address."""
    try:
        validate_address(key)
    except ValidationError:
        return False
    return True


def _near(cells: Sequence[str], column: Column, moved: int) -> Iterator[str]:
    """The cells of a line that may be the column's, whose cells are so many too many or too few."""
    first, last = column.place + min(0, moved), column.place + max(0, moved)
    yield from cells[max(0, first) : last + 1]


def _opts_out(column: Column, text: str) -> bool:
    try:
        return bool(text) and column.reading.read(text).upper() == UNSUBSCRIBED
    except UnreadableCell:
        return False
