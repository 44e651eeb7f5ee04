"""From a file to lines: the CSV itself, whatever it holds."""

from __future__ import annotations

import csv
import io
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from django.utils.translation import gettext as _

from conversion_sync.importing.cells import unprotected

__all__ = ["BadLine", "Line", "Source", "UnusableFile"]

#: The most characters of one record: what is longer is refused unread.
MAX_RECORD = 1_000_000


class UnusableFile(Exception):
    """No line of the file can be read. Nothing was imported.

    Args:
        reason: in the words of a person.
        line: where, counted from 1; None if it is nowhere in particular.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


@dataclass(frozen=True, slots=True)
class Line:
    """One record; ``number`` is the line of the file on which it begins."""

    number: int
    cells: dict[str, str]


@dataclass(frozen=True, slots=True)
class BadLine:
    """A record that can't be read."""

    number: int
    reason: str


class _TooLong(csv.Error):
    """A record is longer than ``MAX_RECORD``."""


class Source:
    """A CSV file in UTF-8 (with or without a byte order mark), read line by line.

    Its cells are separated by commas; or by semicolons or tabs, if its header is.

    Args:
        file: opened in binary, and seekable: it is read twice.

    Raises:
        UnusableFile: not UTF-8, empty, or the header can't be used.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._delimiter = ","
        self.total = self._check_encoding()
        self.header, self._header_line = self._read_header()

    def __iter__(self) -> Iterator[Line | BadLine]:
        """The records below the header; lines without any content are passed over."""
        for number, record in self._records():
            if number <= self._header_line:
                continue
            if isinstance(record, str):
                yield BadLine(number, record)
            elif any(record):
                yield self._line(number, record)

    def _line(self, number: int, record: Sequence[str]) -> Line | BadLine:
        if len(record) != len(self.header):
            return BadLine(
                number,
                _("%(found)d cells, where the header has %(wanted)d columns")
                % {"found": len(record), "wanted": len(self.header)},
            )
        if any("\0" in cell for cell in record):
            return BadLine(number, _("a cell holds a NUL character"))
        return Line(number, dict(zip(self.header, record, strict=True)))

    def _text(self) -> io.TextIOWrapper:
        self._file.seek(0)
        # Bytes that are no UTF-8 come as lone surrogates: so the line they are on is known.
        return io.TextIOWrapper(
            self._file, encoding="utf-8-sig", errors="surrogateescape", newline=""
        )

    def _check_encoding(self) -> int:
        text, number = self._text(), 0
        try:
            while part := text.readline(MAX_RECORD):
                number += part.endswith(("\n", "\r"))
                if not part.isascii():
                    part.encode()
        except UnicodeEncodeError as error:
            line = number if part.endswith(("\n", "\r")) else number + 1
            raise UnusableFile(
                _("the file is not UTF-8 (byte 0x%(byte)02x): save it as “CSV UTF-8”")
                % {"byte": ord(part[error.start]) - 0xDC00},
                line,
            ) from None
        finally:
            text.detach()
        return number

    def _read_header(self) -> tuple[list[str], int]:
        header, number = self._first_record()
        if len(header) == 1:
            self._delimiter = next((other for other in ";\t" if other in header[0]), ",")
            header, number = self._first_record()
        return _checked_header(header, number), number

    def _first_record(self) -> tuple[list[str], int]:
        for number, record in self._records():
            if isinstance(record, str):
                raise UnusableFile(record, number)
            if any(record):
                return record, number
        raise UnusableFile(_("the file is empty"))

    def _records(self) -> Iterator[tuple[int, list[str] | str]]:
        """Each record with the number of its first line, or why it can't be read."""
        text = self._text()
        try:
            feed = _Feed(text)
            reader = csv.reader(feed, delimiter=self._delimiter, strict=True)
            while True:
                feed.begin()
                try:
                    record = [unprotected(cell.strip()) for cell in next(reader)]
                except StopIteration:
                    return
                except csv.Error as error:
                    reason = _reason(error)
                    feed.give_back()
                    yield feed.start, reason
                else:
                    yield feed.start, record
        finally:
            text.detach()


class _Feed:
    """Hands physical lines to the CSV reader, and takes back what a stray quote swallowed."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._returned = deque[str]()
        self._taken = list[str]()
        self._size = 0
        self.start = 1

    def begin(self) -> None:
        """The next line begins a record."""
        self.start += len(self._taken)
        self._taken, self._size = [], 0

    def give_back(self) -> None:
        """Only the first line of this record is bad; those after it are read again."""
        self._returned.extendleft(reversed(self._taken[1:]))
        self._taken = self._taken[:1]

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
    return _("the quotes can't be read (%(error)s)") % {"error": error}


def _checked_header(header: list[str], number: int) -> list[str]:
    if any("\0" in name for name in header):
        raise UnusableFile(_("the file is not UTF-8: save it as “CSV UTF-8”"), number)
    if "" in header:
        place = header.index("") + 1
        raise UnusableFile(_("column %(place)d has no name") % {"place": place}, number)
    name, count = Counter(header).most_common(1)[0]
    if count > 1:
        raise UnusableFile(_("there are two columns “%(name)s”") % {"name": name}, number)
    return header
