"""Spreadsheets: .xlsx, .xls and .ods, read by python-calamine."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from django.utils.translation import gettext as _

from conversion_sync.importing.cells import unprotected
from conversion_sync.importing.errors import UnusableFile
from conversion_sync.importing.files.records import FileRecord
from conversion_sync.importing.files.survey import Survey, surveys
from conversion_sync.importing.headers import LINES, Guide
from conversion_sync.importing.reading.spoiled import DIGITS

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

__all__ = ["SheetSource", "is_spreadsheet"]

# The name of the one part of an .xlsx file that has a password.
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def is_spreadsheet(file: BinaryIO) -> bool:
    """Whether a file is one by its first bytes; its name says little."""
    file.seek(0)
    return file.read(8).startswith((_ZIP, _OLE))


class SheetSource:
    """A sheet of a spreadsheet, row by row, each cell as text.

    It is the first sheet with all columns that are needed; else the first that is not empty. A
    hidden one is read only where there is no other. Numbers are written plainly, dates as ISO 8601
    has them; how a cell is displayed (00000, 50 %) is not known.

    Raises:
        UnusableFile: it can't be read, or all sheets are empty.
    """

    def __init__(self, file: BinaryIO, guide: Guide) -> None:
        self._surveys: Mapping[str, Survey] = surveys(file) if _is_zip(file) else {}
        workbook = _opened(file)
        sheets = _filled(workbook)
        if not sheets:
            raise UnusableFile(_("the file is empty"))
        whole = (sheet for sheet in sheets if any(map(guide.is_whole, _first_rows(sheet))))
        self._sheet = next(whole, sheets[0])
        self._errors = self._surveys.get(self._sheet.name, Survey()).errors
        self.notices = list[str]()
        if len(sheets) > 1:
            words = _("Of %(count)d sheets “%(name)s” is read.")
            self.notices.append(words % {"count": len(sheets), "name": self._sheet.name})

    def reaches(self, number: int) -> int:
        """The last row into which a merged cell of this row reaches down."""
        merged = self._sheet.merged_cell_ranges or []
        return max([number, *(end[0] + 1 for start, end in merged if start[0] + 1 == number)])

    def pieces(self, text: str) -> list[str]:
        """Each line of a spreadsheet can be read."""
        return [text]

    def records(self) -> Iterator[FileRecord]:
        """Each row, blank ones too."""
        rows_with_errors = {row for row, _column in self._errors}
        for index, row in enumerate(self._sheet.iter_rows()):
            cells = [_text(value) if value != "" else "" for value in row]
            if index in rows_with_errors:
                self._restore(index, cells)
            yield FileRecord(index + 1, cells)

    def _restore(self, row: int, cells: list[str]) -> None:
        """Put the errors in, which the library leaves out."""
        first = (self._sheet.start or (0, 0))[1]
        for place in range(len(cells)):
            cells[place] = self._errors.get((row, first + place), cells[place])


def _is_zip(file: BinaryIO) -> bool:
    file.seek(0)
    return file.read(4) == _ZIP


def _opened(file: BinaryIO) -> CalamineWorkbook:
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError:
        raise UnusableFile(
            _(
                "to read spreadsheets, the site needs django-conversion-sync[import-export]; "
                "or save the file as “CSV UTF-8”"
            )
        ) from None
    file.seek(0)
    try:
        return CalamineWorkbook.from_filelike(file)
    except CalamineError:
        file.seek(0)
        if _ENCRYPTED in file.read():
            raise UnusableFile(_("this spreadsheet is protected by a password")) from None
        raise UnusableFile(_("this is no spreadsheet that can be read, or it is broken")) from None


def _filled(workbook: CalamineWorkbook) -> list[CalamineSheet]:
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    sheets = [
        (one.visible != SheetVisibleEnum.Visible, workbook.get_sheet_by_name(one.name))
        for one in workbook.sheets_metadata
        if one.typ == SheetTypeEnum.WorkSheet
    ]
    filled = [(is_hidden, sheet) for is_hidden, sheet in sheets if sheet.height]
    visible = [sheet for is_hidden, sheet in filled if not is_hidden]
    return visible or [sheet for _is_hidden, sheet in filled]


def _first_rows(sheet: CalamineSheet) -> Iterator[Sequence[str]]:
    rows = ([_text(value) for value in row] for row in sheet.iter_rows())
    return islice((row for row in rows if any(row)), LINES)


def _text(value: Any) -> str:
    """A cell as text, in the form that the other readings know."""
    if isinstance(value, str):
        return unprotected(value.strip())
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value)


def _number(value: float) -> str:
    """As many digits as a spreadsheet keeps: the rest is an artefact of the computation."""
    if value.is_integer() and abs(value) < 10**DIGITS:
        return str(int(value))
    return f"{Decimal(f'{value:.{DIGITS}g}'):f}"
