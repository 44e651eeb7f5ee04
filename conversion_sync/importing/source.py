"""From a file to lines, whatever program wrote it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from conversion_sync.importing.errors import UnusableFile
from conversion_sync.importing.files.records import Source
from conversion_sync.importing.files.sheets import SheetSource, is_spreadsheet
from conversion_sync.importing.files.text import TextSource
from conversion_sync.importing.headers import Guide

__all__ = ["BadLine", "Line", "UnusableFile", "open_source"]


@dataclass(frozen=True, slots=True)
class Line:
    """One record; ``number`` is the line of the file on which it begins.

    Args:
        cells: what its cells say, by title.
        record: its cells as they stand.
        unread: why a cell could not be read, by title; it stands in ``cells`` as in the file.
        untouched: titles of blank cells that say nothing, not even that a value is cleared.
    """

    number: int
    cells: dict[str, str]
    record: Sequence[str] = ()
    unread: Mapping[str, str] = field(default_factory=dict)
    untouched: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class BadLine:
    """A record that can't be read.

    Args:
        record: its cells as they stand, or that line as a whole.
        cells: what may be its cells.
    """

    number: int
    reason: str
    record: Sequence[str] = ()
    cells: Sequence[str] = ()


def open_source(file: BinaryIO, guide: Guide, encoding: str = "") -> Source:
    """A text file or a spreadsheet, told apart by what is in it.

    Args:
        file: opened in binary, and seekable: it is read twice.
        encoding: of a text file, by somebody who knows.

    Raises:
        UnusableFile: it can't be read.
    """
    if is_spreadsheet(file):
        return SheetSource(file, guide)
    return TextSource(file, guide, encoding)
