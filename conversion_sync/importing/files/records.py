"""What a file consists of, whatever wrote it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

__all__ = ["FileRecord", "Source"]


class FileRecord(NamedTuple):
    """A line of cells; ``number`` is the line of the file on which it begins, from 1.

    With a ``reason`` it could not be read; then its one cell is that line as it stands.
    """

    number: int
    cells: Sequence[str]
    reason: str = ""


class Source(Protocol):
    """A file that can be read line by line, more than once."""

    @property
    def notices(self) -> Sequence[str]:
        """What a person should know of how the file was taken."""

    def records(self) -> Iterator[FileRecord]:
        """All lines from the first on, blank ones too."""

    def reaches(self, number: int) -> int:
        """The last line that a cell of this line reaches down to."""

    def pieces(self, text: str) -> list[str]:
        """What may be the cells of a line that can't be read, given as it stands."""
