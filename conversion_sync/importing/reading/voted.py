"""Readings that all cells of a column decide together."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from django.utils.translation import gettext as _

from conversion_sync.importing.errors import UnreadableCell
from conversion_sync.importing.reading.readings import Fate, Reading, read_as
from conversion_sync.importing.reading.spoiled import Harm

__all__ = ["VotedReading", "ambiguous"]


class Ballot(Protocol):
    """The votes of a column's cells; ``doubtful`` is one that could be read in two ways."""

    doubtful: str

    def add(self, cells: Collection[str]) -> None:
        """Let some cells vote."""


B = TypeVar("B", bound=Ballot)


class VotedReading(Reading, Generic[B]):
    """A reading in the notation that all cells of the column together show."""

    #: What makes the ballot of a column.
    ballot: ClassVar[type[Any]]
    fates: Mapping[Harm, Fate] = {Harm.ERROR: Fate.LEFT_OUT}
    is_plain = False

    def __init__(self, way: str = "") -> None:
        super().__init__(way)
        self._ballot: B = self.ballot()
        self._example = ""

    def look(self, cells: Collection[str]) -> None:
        self._ballot.add(cells)
        if not self._example:
            self._example = next(filter(self._is_example, cells), "")

    @property
    def note(self) -> str:
        example = self._ballot.doubtful or self._example
        try:
            return read_as(example, self.read(example)) if example else ""
        except UnreadableCell:
            return ""

    def _is_example(self, text: str) -> bool:
        """Whether a cell shows a person how the column is read."""
        return True


def ambiguous(one: str | None, other: str | None) -> UnreadableCell:
    """The error of a cell that could be one or the other."""
    words = _("this may be %(one)s or %(other)s: say how the column is to be read")
    return UnreadableCell(words % {"one": one, "other": other})
