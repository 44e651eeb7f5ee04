"""Spreadsheets that can't be read are refused in words, and take no more memory than they may."""

from __future__ import annotations

import io
import sys
import zipfile

import pytest

from conversion_sync.importing import UnusableFile
from conversion_sync.importing.files import survey
from conversion_sync.importing.files.sheets import SheetSource
from conversion_sync.importing.headers import CONTACTS, Guide
from tests.importing.files_sheets import PEOPLE, edited, excel, ods, xls, xlsx

GUIDE = Guide(CONTACTS, frozenset({"email"}), {})

BROKEN = "this is no spreadsheet that can be read, or it is broken"


def refusal(data: bytes) -> str:
    with pytest.raises(UnusableFile) as failure:
        SheetSource(io.BytesIO(data), GUIDE)
    return failure.value.reason


def zipped(**parts: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name.replace("__", "/").replace("_xml", ".xml"), text)
    return file.getvalue()


# Made in the test: they hold the time at which they were made.


@pytest.mark.parametrize(
    "make",
    [
        lambda: b"PK\x03\x04\x00\x00",
        lambda: xlsx(PEOPLE)[:-100],
        lambda: zipped(hello="world"),
        lambda: zipped(content_xml="<a"),
        lambda: zipped(content_xml="<a/>"),
        lambda: excel('<row r="many"/>'),
        lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600,
    ],
    ids=range(7),
)
def test_a_broken_file_is_refused(make):
    assert refusal(make()) == BROKEN


@pytest.mark.parametrize("make", [lambda: xlsx(()), xls, ods], ids=["xlsx", "xls", "ods"])
def test_an_empty_spreadsheet_is_refused(make):
    assert refusal(make()) == "the file is empty"


def test_a_stray_cell_in_the_last_corner_is_refused_before_it_takes_all_memory():
    reason = refusal(excel('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'))
    assert reason == (
        "the sheet “People” reaches down to row 1048576, and over 16384 columns: delete what is "
        "not needed there, or save it as CSV UTF-8"
    )


def test_cells_without_references_are_counted_where_they_are():
    cell = "<c><v>1</v></c>"
    sheet = f"<row>{cell * 3000}</row>" + f"<row>{cell}</row>" * 1999
    assert "row 2000, and over 3000 columns" in refusal(excel(sheet))


def test_a_cell_that_stands_for_many_is_counted_as_many():
    many = repeated(ods(("email",)), rows=1_048_576, columns=1024)
    assert "row 1048576, and over 1024 columns" in refusal(many)


def repeated(document: bytes, rows: int, columns: int) -> bytes:
    """The .ods file, its first row and cell repeated."""
    return edited(
        document,
        (b"<table:table-row>", b'<table:table-row table:number-rows-repeated="%d">' % rows),
        (
            b"<table:table-cell ",
            b'<table:table-cell table:number-columns-repeated="%d" ' % columns,
        ),
    )


def test_a_file_that_unpacks_to_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(survey, "MAX_UNPACKED", 1000)
    assert refusal(xlsx(PEOPLE)) == "this spreadsheet is too large: save it as CSV UTF-8"


def test_a_file_that_is_false_about_its_size_is_refused():
    data = excel('<row r="1"><c r="A1"><v>1</v></c></row>' * 1000)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = archive.getinfo("xl/worksheets/sheet1.xml").file_size
    assert refusal(data.replace(size.to_bytes(4, "little"), (7).to_bytes(4, "little"))) == BROKEN


def test_one_with_a_password_is_told_so():
    # The container of the encrypted package, as Office writes it; xlwt writes containers too.
    plain, secret = ("Workbook".encode("utf-16-le"), "EncryptedPackage".encode("utf-16-le"))
    data = xls(*PEOPLE)
    at = data.index(plain + b"\0\0")
    name = secret.ljust(64, b"\0") + (len(secret) + 2).to_bytes(2, "little")
    data = data[:at] + name + data[at + len(name) :]
    assert refusal(data) == "this spreadsheet is protected by a password"


def test_without_the_extra_it_is_said_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    assert "the site needs django-conversion-sync[import-export]" in refusal(xlsx(PEOPLE))
