"""How a file is read: where its header is, what its columns become, and what its lines say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, zip_longest
from typing import BinaryIO

from django.utils.translation import gettext as _

from conversion_sync.importing.choices import VARIABLE, Choice, parse
from conversion_sync.importing.columns import Column, assign, problem_of, titles_of
from conversion_sync.importing.errors import UnreadableCell, UnusableFile
from conversion_sync.importing.files.footer import without_footer
from conversion_sync.importing.files.records import FileRecord
from conversion_sync.importing.files.text import TextSource
from conversion_sync.importing.headers import LINES, OPT_OUT, Guide
from conversion_sync.importing.inspection import Inspection
from conversion_sync.importing.reading.readings import Fate, Reading
from conversion_sync.importing.reading.spoiled import harm_of
from conversion_sync.importing.source import BadLine, Line, open_source
from conversion_sync.importing.tables import Columns, Table

__all__ = ["STATUS", "UNSUBSCRIBED", "Layout"]

STATUS, UNSUBSCRIBED = "subscription_status", "UNSUBSCRIBED"

#: What some programs write before the first title, and nobody sees.
_INVISIBLE = "\ufeff\u200b"


class _LeftOut(Exception):
    """The cell is spoiled: it is as if it were not there."""


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the cells of one column; ``is_harmed``: there are spoiled ones among them."""

    title: str
    reading: Reading
    is_harmed: bool

    def read(self, text: str) -> str:
        fates = self.reading.fates
        if self.is_harmed and (harm := harm_of(text, fates)):
            if fates[harm] is Fate.LEFT_OUT:
                raise _LeftOut
            if fates[harm] is Fate.REFUSED:
                raise UnreadableCell(
                    _("a spreadsheet has spoiled this (%(harm)s)") % {"harm": harm.value}
                )
        return self.reading.read(text)


class Layout:
    """One file, as it is read.

    Args:
        file: opened in binary, and seekable: it is read twice.
        choices: what a person says of columns, by title; written as ``Choice`` is.
        withheld: known columns that are left alone, whatever the file says.
        encoding: of a text file, by somebody who knows.

    Raises:
        UnusableFile: no line of it can be read, or a choice is none.
    """

    def __init__(
        self,
        table: Table,
        file: BinaryIO,
        choices: Mapping[str, str],
        withheld: Collection[str] = (),
        encoding: str = "",
    ) -> None:
        wanted = {title: _parsed(text, table) for title, text in choices.items()}
        chosen = {title: choice.target for title, choice in wanted.items()}
        guide = Guide(table.titles, frozenset(table.required), chosen)
        self.source = open_source(file, guide, encoding)
        self.first_line, self.last_line, header = self._find_header(guide)
        for title in wanted.keys() - set(titles_of(header)):
            raise UnusableFile(_("there is no column “%(name)s”") % {"name": title})
        self.choices, self.encoding = choices, encoding
        self._columns = assign(table, header, wanted, withheld)
        #: Why the columns can't be used as they are.
        self.problem = problem_of(table, self._columns)
        self.table = table

    @property
    def is_text(self) -> bool:
        """Whether it is a text file, whose encoding may be doubtful."""
        return isinstance(self.source, TextSource)

    @property
    def may_be_mended(self) -> bool:
        """Whether a person can say more of the columns, so that they can be used."""
        targets = [column.choice.target for column in self._columns]
        return VARIABLE in targets or len(set(targets)) < len(targets)

    @property
    def bag(self) -> str:
        """Where the variables go, for people."""
        return str(self.table.model._meta.get_field(self.table.bag).verbose_name)  # type: ignore[union-attr]  # a column

    @cached_property
    def titles(self) -> list[str]:
        """The titles of all columns."""
        return [column.title for column in self._columns]

    @property
    def columns(self) -> Sequence[Column]:
        """The columns, once all cells have been seen: some are told by these alone."""
        return self.inspection.columns

    @cached_property
    def inspection(self) -> Inspection:
        """What all cells show: the first pass over the file."""
        inspection = Inspection(self._columns)
        inspection.look(self._below())
        return inspection

    @cached_property
    def for_table(self) -> Columns:
        """The columns as the table wants them; all cells have been seen before."""
        used = [column for column in self.columns if not column.is_empty]
        known = {c.choice.target: c.title for c in used if c.choice.target in self.table.targets()}
        if opt_out := known.pop(OPT_OUT, ""):
            known.setdefault(STATUS, opt_out)
        variables = [column for column in used if column.choice.target == VARIABLE]
        return Columns(known, {column.title: column.reading.value for column in variables})

    def lines(self) -> Iterator[Line | BadLine]:
        """The records below the header; those without any content are passed over."""
        readers = self._readers()
        for record in self._below():
            if record.reason:
                pieces = self.source.pieces("".join(record.cells))
                yield BadLine(record.number, record.reason, record.cells, pieces)
            elif any(record.cells):
                yield self._line(record, readers)

    def _line(self, record: FileRecord, readers: Sequence[_Reader]) -> Line | BadLine:
        number, found, _reason = record
        titles = self.titles
        if reason := _fault(found, len(titles)):
            return BadLine(number, reason, found, [text.replace("\0", "") for text in found])
        cells = dict(zip(titles, found, strict=False))
        untouched = titles[len(found) :]
        cells |= dict.fromkeys(untouched, "")
        unread = dict[str, str]()
        for reader in readers:
            if text := cells[reader.title]:
                try:
                    cells[reader.title] = reader.read(text)
                except UnreadableCell as error:
                    unread[reader.title] = str(error)
                except _LeftOut:
                    cells[reader.title] = ""
                    untouched.append(reader.title)
        self._take_opt_outs(cells)
        return Line(number, cells, found, unread, frozenset(untouched))

    def _take_opt_outs(self, cells: dict[str, str]) -> None:
        """Whatever the column of the status says, an opt-out of another column holds."""
        if any(cells[title] == UNSUBSCRIBED for title in self._opt_outs):
            cells[self.for_table.known[STATUS]] = UNSUBSCRIBED

    @cached_property
    def _opt_outs(self) -> list[str]:
        return [column.title for column in self.columns if column.choice.target == OPT_OUT]

    def _readers(self) -> list[_Reader]:
        harmed = {title for title, _harm in self.inspection.harms}
        return [
            _Reader(column.title, column.reading, column.title in harmed)
            for column in self.columns
            if column.title in harmed or not column.reading.is_plain
        ]

    def _below(self) -> Iterator[FileRecord]:
        below = (one for one in self.source.records() if one.number > self.last_line)
        return without_footer(below) if len(self._columns) > 1 else below

    def _find_header(self, guide: Guide) -> tuple[int, int, list[str]]:
        """The first and the last line of the header, and its titles."""
        first = islice((one for one in self.source.records() if any(one.cells)), LINES)
        records = list(first)
        readable = [one for one in records if not one.reason]
        if not records:
            raise UnusableFile(_("the file is empty"))
        found = readable[guide.header([one.cells for one in readable])] if readable else records[0]
        if found.reason or (records[0].reason and not guide.is_whole(found.cells)):
            raise UnusableFile(records[0].reason, records[0].number)
        last = self.source.reaches(found.number)
        header = _folded(one.cells for one in readable if found.number <= one.number <= last)
        _check(header, found.number)
        self.passed_over = records.index(found)
        return found.number, last, header


def _parsed(text: str, table: Table) -> Choice:
    try:
        return parse(text, table.targets())
    except ValueError as error:
        raise UnusableFile(str(error)) from error


def _folded(rows: Iterable[Sequence[str]]) -> list[str]:
    """The titles of a header of one row, or of several: the lowest of each column counts."""
    columns = zip_longest(*rows, fillvalue="")
    titles = (next(filter(None, reversed(cells)), "") for cells in columns)
    return [title.strip(_INVISIBLE).strip() for title in titles]


def _check(header: Sequence[str], number: int) -> None:
    if any("\0" in name for name in header):
        raise UnusableFile(_("the file is not UTF-8: save it as “CSV UTF-8”"), number)
    name, count = Counter(filter(None, header)).most_common(1)[0]
    if count > 1:
        words = _("there are two columns “%(name)s”: rename or remove one of them")
        raise UnusableFile(words % {"name": name}, number)


def _fault(cells: Sequence[str], wanted: int) -> str:
    """What is wrong with a record as a whole; "" if nothing is."""
    if any(cells[wanted:]):
        words = _("%(found)d cells, where the header has %(wanted)d columns")
        return words % {"found": len(cells), "wanted": wanted}
    return _("a cell holds a NUL character") if "\0" in "".join(cells) else ""
