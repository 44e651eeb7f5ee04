"""What a spreadsheet file holds, before a library lays its cells out in memory.

A sheet is read as one block of cells, from the first row and column to the last: a stray cell in
the last row of a sheet, or a file made to do harm, would take all the memory there is. And the
library leaves out the errors of formulas, which people should be told of.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO
from xml.parsers import expat

from django.utils.translation import gettext as _

from conversion_sync.importing.errors import UnusableFile

__all__ = ["Survey", "surveys"]

#: The most bytes of a file once it is unpacked, and the most cells of a sheet with all its blanks.
MAX_UNPACKED = 1 << 30
MAX_CELLS = 5_000_000

BYTES_AT_ONCE = 1 << 20

Start = Callable[[str, Mapping[str, str]], None]
Text = Callable[[str], None]

_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    expat.ExpatError,
    EOFError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    StopIteration,
    ValueError,
)

#: What stands for a formula that could not be computed, or never was.
UNCOMPUTED = "#ERROR!"


@dataclass(slots=True)
class Survey:
    """One sheet: how far it reaches, and the errors in it by row and column, from 0."""

    rows: int = 0
    columns: int = 0
    errors: dict[tuple[int, int], str] = field(default_factory=dict)

    def add(self, row: int, column: int) -> None:
        """There is a cell here."""
        self.rows, self.columns = max(self.rows, row + 1), max(self.columns, column + 1)


def surveys(file: BinaryIO) -> dict[str, Survey]:
    """The sheets of an .xlsx or .ods file, by their names.

    Raises:
        UnusableFile: it is none, it is broken, or it is too large to be read.
    """
    try:
        with zipfile.ZipFile(file) as package:
            _check_size(package)
            found = dict(_sheets(package))
    except _BROKEN:
        raise UnusableFile(_("this is no spreadsheet that can be read, or it is broken")) from None
    for name, survey in found.items():
        if survey.rows * survey.columns > MAX_CELLS:
            raise UnusableFile(
                _(
                    "the sheet “%(name)s” reaches down to row %(row)d, and over %(columns)d "
                    "columns: delete what is not needed there, or save it as CSV UTF-8"
                )
                % {"name": name, "row": survey.rows, "columns": survey.columns}
            )
    return found


def _check_size(package: zipfile.ZipFile) -> None:
    """Unpack all parts once: what is written of their sizes may be false."""
    size = 0
    for info in package.infolist():
        size += info.file_size
        if size > MAX_UNPACKED:
            raise UnusableFile(_("this spreadsheet is too large: save it as CSV UTF-8"))
        with package.open(info) as part:
            while part.read(BYTES_AT_ONCE):
                pass


def _sheets(package: zipfile.ZipFile) -> Iterator[tuple[str, Survey]]:
    if "content.xml" in package.namelist():
        document = _OpenDocument()
        _parse(package, "content.xml", document.start)
        yield from document.surveys.items()
        return
    for name, path in _worksheets(package):
        sheet = _Worksheet()
        _parse(package, path, sheet.start, sheet.text)
        sheet.end_cell()
        yield name, sheet.survey


def _worksheets(package: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """The names of the sheets of an .xlsx file, and the part that holds each."""
    paths = {one.get("Id", ""): one.get("Target", "") for one in _relations(package)}
    sheets = list[Mapping[str, str]]()
    _parse(package, "xl/workbook.xml", lambda tag, values: _keep(sheets, "sheet", tag, values))
    for sheet in sheets:
        path = paths[next(value for name, value in sheet.items() if name.endswith(":id"))]
        if "worksheets/" in path:
            yield sheet["name"], path[1:] if path.startswith("/") else f"xl/{path}"


def _relations(package: zipfile.ZipFile) -> list[Mapping[str, str]]:
    found = list[Mapping[str, str]]()
    path = "xl/_rels/workbook.xml.rels"
    _parse(package, path, lambda tag, values: _keep(found, "Relationship", tag, values))
    return found


def _keep(kept: list[Mapping[str, str]], wanted: str, tag: str, values: Mapping[str, str]) -> None:
    if _local(tag) == wanted:
        kept.append(values)


def _parse(package: zipfile.ZipFile, path: str, start: Start, text: Text | None = None) -> None:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.CharacterDataHandler = text
    with package.open(path) as part:
        while data := part.read(BYTES_AT_ONCE):
            parser.Parse(data)
        parser.Parse(b"", True)


def _local(tag: str) -> str:
    return tag.rpartition(":")[2]


class _Worksheet:
    """Follows the elements of a sheet of an .xlsx file."""

    def __init__(self) -> None:
        self.survey = Survey()
        self._row = self._column = -1
        self._kind = self._value = ""
        self._has_value = self._is_formula = False

    def start(self, tag: str, values: Mapping[str, str]) -> None:
        """An element begins: of a cell, its formula and its value are told apart."""
        tag = _local(tag)
        if tag == "c":
            self.end_cell()
            self._column = _column(values["r"]) if "r" in values else self._column + 1
            self._kind = values.get("t", "n")
        elif tag == "v" or tag == "is":
            self._has_value, self._value = True, ""
        elif tag == "f":
            self._is_formula = True
        elif tag == "row":
            self.end_cell()
            self._row = int(values["r"]) - 1 if "r" in values else self._row + 1
            self._column = -1

    def text(self, data: str) -> None:
        """Of a value it is seen that there is one, of an error which."""
        if self._has_value:
            self._value += data if self._kind == "e" else data[:1]

    def end_cell(self) -> None:
        """All of the last cell has been seen."""
        if self._has_value or self._is_formula:
            place = (self._row, self._column)
            self.survey.add(*place)
            if self._kind == "e":
                self.survey.errors[place] = self._value
            elif self._is_formula and not self._value and self._kind != "str":
                self.survey.errors[place] = UNCOMPUTED
        self._has_value = self._is_formula = False
        self._value = ""


def _column(reference: str) -> int:
    """The column of "AB12", from 0."""
    number = 0
    for letter in reference.rstrip("0123456789"):
        number = number * 26 + ord(letter) - 64
    return number - 1


class _OpenDocument:
    """Follows the elements of an .ods file; cells and rows may stand there once for many."""

    def __init__(self) -> None:
        self.surveys = dict[str, Survey]()
        self._survey = Survey()
        self._row = self._column = 0
        self._rows = 1

    def start(self, tag: str, values: Mapping[str, str]) -> None:
        """An element begins."""
        tag = _local(tag)
        if tag == "table":
            self._survey = self.surveys.setdefault(values.get("table:name", ""), Survey())
            self._row, self._rows = 0, 0
        elif tag == "table-row":
            self._row += self._rows
            self._rows = int(values.get("table:number-rows-repeated", 1))
            self._column = 0
        elif tag in ("table-cell", "covered-table-cell"):
            columns = int(values.get("table:number-columns-repeated", 1))
            if "office:value-type" in values:
                self._survey.add(self._row + self._rows - 1, self._column + columns - 1)
                if values.get("calcext:value-type") == "error":
                    self._survey.errors[self._row, self._column] = UNCOMPUTED
            self._column += columns
