"""Text files: cells that are separated by commas, semicolons, tabs or bars."""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import BinaryIO

from django.utils.translation import gettext as _

from conversion_sync.importing.cells import unprotected
from conversion_sync.importing.errors import UnusableFile
from conversion_sync.importing.files.dialect import find_dialect
from conversion_sync.importing.files.encoding import find_encoding
from conversion_sync.importing.files.records import FileRecord
from conversion_sync.importing.headers import Guide

__all__ = ["MAX_RECORD", "TextSource"]

#: The most characters of one record: what is longer is refused unread.
MAX_RECORD = 1_000_000

#: So much is looked at to find out how the cells are separated.
SAMPLE_LINES, SAMPLE_LENGTH = 50, 10_000

# Programs write ="007" so that a spreadsheet leaves the naughts alone.
_FORMULA_TEXT = re.compile(r'="([^"]*)"')

_MARKUP = re.compile(r"\s*<(?:!doctype|html|table|\?xml|head|meta|style)\b", re.IGNORECASE)

# What MySQL and PostgreSQL write where there is nothing.
_NULL = r"\N"

#: The end of a file, for MS-DOS.
_END = "\x1a"

#: Without one of these in its lines, all cells of a record are plain.
_MARKS = ("'", "=", _NULL, _END)


class _TooLong(csv.Error):
    """A record is longer than ``MAX_RECORD``."""


class TextSource:
    """A text file, read line by line.

    Args:
        file: opened in binary, and seekable.
        encoding: which it is, by somebody who knows; else it is found out.

    Raises:
        UnusableFile: its characters can't be read, or it is no such file.
    """

    def __init__(self, file: BinaryIO, guide: Guide, encoding: str = "") -> None:
        self._file = file
        found = find_encoding(file, encoding)
        self._encoding = found.name
        self.notices: Sequence[str] = [found.notice] if found.notice else []
        sample = self._sample()
        if _MARKUP.match("".join(sample[:5])):
            raise UnusableFile(
                _("this is a web page: open it in a spreadsheet program, and save it as .xlsx"), 1
            )
        self._dialect = find_dialect(sample, guide)

    def reaches(self, number: int) -> int:
        """That line itself."""
        return number

    def pieces(self, text: str) -> list[str]:
        """The line between its separators, whatever its quotes would say."""
        pieces = text.split(self._dialect.delimiter)
        return [_plain(piece.strip().strip('"').strip()) for piece in pieces]

    def records(self) -> Iterator[FileRecord]:
        """Each record with the number of its first line, or why it can't be read."""
        text = self._text()
        try:
            feed = _Feed(text)
            if self._dialect.is_told:
                feed.skip()
            reader = csv.reader(feed, delimiter=self._dialect.delimiter, strict=True)
            while True:
                feed.begin()
                try:
                    cells = [cell.strip() for cell in next(reader)]
                except StopIteration:
                    return
                except csv.Error as error:
                    yield FileRecord(feed.start, [feed.give_back()], _reason(error))
                else:
                    if feed.has(_MARKS):
                        cells = [_plain(cell) for cell in cells]
                    yield FileRecord(feed.start, cells)
        finally:
            _leave_open(text)

    def _sample(self) -> list[str]:
        text = self._text()
        try:
            lines = iter(lambda: text.readline(SAMPLE_LENGTH), "")
            return list(islice(lines, SAMPLE_LINES))
        finally:
            _leave_open(text)

    def _text(self) -> io.TextIOWrapper:
        self._file.seek(0)
        return io.TextIOWrapper(self._file, encoding=self._encoding, newline="")


def _plain(cell: str) -> str:
    if cell in (_NULL, _END):
        return ""
    if cell.startswith("=") and (found := _FORMULA_TEXT.fullmatch(cell)):
        return found[1].strip()
    return unprotected(cell)


class _Feed:
    """Hands physical lines to the CSV reader, and takes back what a stray quote swallowed."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._returned = deque[str]()
        self._taken = list[str]()
        self._size = 0
        self.start = 1

    def skip(self) -> None:
        """Pass over the next line."""
        self._taken = [self._read()]

    def begin(self) -> None:
        """The next line begins a record."""
        self.start += len(self._taken)
        self._taken, self._size = [], 0

    def has(self, marks: Iterable[str]) -> bool:
        """Whether one of these is in the lines of the record."""
        return any(mark in line for line in self._taken for mark in marks)

    def give_back(self) -> str:
        """Only the first line of this record is bad; those after it are read again."""
        self._returned.extendleft(reversed(self._taken[1:]))
        self._taken = self._taken[:1]
        return self._taken[0].rstrip("\r\n") if self._taken else ""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else self._read()
        if not line:
            raise StopIteration
        self._taken.append(line)
        self._size += len(line)
        if self._size > MAX_RECORD:
            raise _TooLong
        return line

    def _read(self) -> str:
        line = rest = self._text.readline(MAX_RECORD + 1)
        while len(rest) > MAX_RECORD and not rest.endswith(("\n", "\r")):
            rest = self._text.readline(MAX_RECORD + 1)
        return line


def _reason(error: csv.Error) -> str:
    if isinstance(error, _TooLong) or "field limit" in str(error):
        return _("a cell is too long, or a quote is never closed")
    if str(error) == "unexpected end of data":
        return _("a quote is never closed")
    return _("the quotes can't be read (%(error)s)") % {"error": error}


def _leave_open(text: io.TextIOWrapper) -> None:
    """Let go of the file, which the caller closes; it may have done so already, after a signal."""
    if not text.closed:
        text.detach()
