"""Spreadsheets: .xlsx by openpyxl and as Excel writes it, .xls by xlwt, .ods by odfpy."""

from __future__ import annotations

import datetime
import io
import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import openpyxl
import xlwt
from odf.opendocument import OpenDocumentSpreadsheet
from odf.table import Table, TableCell, TableRow
from odf.text import P

from tests.importing.kit import File

DAY = datetime.date(2026, 1, 2)
TIME = datetime.datetime(2026, 1, 2, 3, 4, 5)


def timeless(file: io.BytesIO) -> bytes:
    """The zipped file without its times, so that the tests are the same at any second."""
    made = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(made, "w") as new:
        for info in old.infolist():
            data = re.sub(
                rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2020-01-01T00:00:00Z", old.read(info)
            )
            plain = zipfile.ZipInfo(info.filename)
            plain.compress_type = info.compress_type
            new.writestr(plain, data)
    return made.getvalue()


def xlsx(*sheets: Iterable[Sequence[Any]], change: Callable[[Any], object] | None = None) -> bytes:
    """An .xlsx file by openpyxl; ``change`` does more to the workbook before it is saved."""
    book = openpyxl.Workbook()
    for number, rows in enumerate(sheets):
        sheet = book.active if number == 0 else book.create_sheet()
        for row in rows:
            sheet.append(row)
    if change:
        change(book)
    file = io.BytesIO()
    book.save(file)
    return timeless(file)


def excel(sheet: str) -> bytes:
    """An .xlsx file with the parts that Excel writes, and this data of its sheet."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.'
        'relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>'
        '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-'
        'officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/'
        'sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.'
        'worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{relations}"><sheets>'
        '<sheet name="People" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="rId1" Type="{relations}/worksheet" Target="worksheets/sheet1.xml"/>'
        "</Relationships>",
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{sheet}</sheetData>'
        "</worksheet>",
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}')
    return timeless(file)


def xls(*rows: Sequence[Any]) -> bytes:
    """An .xls file by xlwt."""
    book = xlwt.Workbook()
    sheet = book.add_sheet("People")
    for number, row in enumerate(rows):
        for place, value in enumerate(row):
            if isinstance(value, datetime.date):
                style = xlwt.easyxf(num_format_str="yyyy-mm-dd")
                sheet.write(number, place, value, style)
            elif value is not None:
                sheet.write(number, place, value)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def ods(*rows: Sequence[Any], blank_rows: int = 0) -> bytes:
    """An .ods file by odfpy; a dict in a row is the attributes of a cell."""
    document = OpenDocumentSpreadsheet()
    table = Table(name="People")
    for row in rows:
        line = TableRow()
        for value in row:
            if isinstance(value, dict):
                cell = TableCell(**value)
            else:
                cell = TableCell(valuetype="string")
                cell.addElement(P(text=value))
            line.addElement(cell)
        table.addElement(line)
    if blank_rows:
        line = TableRow(numberrowsrepeated=blank_rows)
        line.addElement(TableCell(numbercolumnsrepeated=16384))
        table.addElement(line)
    document.spreadsheet.addElement(table)
    file = io.BytesIO()
    document.save(file)
    return timeless(file)


def edited(document: bytes, *changes: tuple[bytes, bytes]) -> bytes:
    """The .ods file with some bytes of its content changed."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(document)) as old, zipfile.ZipFile(file, "w") as new:
        for info in old.infolist():
            data = old.read(info)
            if info.filename == "content.xml":
                for before, after in changes:
                    assert before in data
                    data = data.replace(before, after)
            new.writestr(info, data)
    return file.getvalue()


def failed(document: bytes) -> bytes:
    """The .ods file, its cell "#DIV/0!" as LibreOffice writes it."""
    return edited(
        document,
        (
            b'<table:table-cell office:value-type="string"><text:p>#DIV/0!',
            b'<table:table-cell table:formula="of:=1/0" office:value-type="string" '
            b'office:string-value="" calcext:value-type="error" xmlns:calcext="urn:org:'
            b'documentfoundation:names:experimental:calc:xmlns:calcext:1.0"><text:p>#DIV/0!',
        ),
    )


HEADER = ("Email", "First Name")
PEOPLE = (HEADER, ("ann@x.example", "Zoë"))
ZOE = {"ann@x.example": {"first_name": "Zoë"}}


def merge(*ranges: str) -> Callable[[Any], None]:
    def change(book: Any) -> None:
        for one in ranges:
            book.active.merge_cells(one)

    return change


def hide(book: Any) -> None:
    book.worksheets[0].sheet_state = "hidden"


FILES = [
    File("Excel", xlsx(PEOPLE), ZOE),
    File("Excel 97", xls(*PEOPLE), ZOE),
    File("LibreOffice", ods(*PEOPLE), ZOE),
    File(
        "LibreOffice, with a million blank rows below",
        ods(*PEOPLE, blank_rows=1_048_574),
        ZOE,
    ),
    File(
        "Excel, numbers, dates, percents, booleans and times",
        xlsx(
            (
                ("email", "phone", "score", "signup", "seen", "vip", "share", "at", "price"),
                (
                    *("ann@x.example", 4915550100, 21, DAY, TIME, True, 0.5),
                    *(datetime.time(9, 30), 0.1 + 0.2),
                ),
                ("bob@x.example", None, 7, None, None, False, 1, None, 3),
            )
        ),
        {
            "ann@x.example": {
                "phone": "4915550100",
                "custom_variables": {
                    "score": 21,
                    "signup": "2026-01-02",
                    "seen": "2026-01-02T03:04:05",
                    "vip": True,
                    "share": 0.5,
                    "at": "09:30:00",
                    "price": 0.3,
                },
            },
            "bob@x.example": {
                "custom_variables": {"score": 7, "vip": False, "share": 1, "price": 3}
            },
        },
        [
            "kept in “custom variables”: “score”, “signup”, “seen”, “vip”, “share”, “at” and "
            "“price”.",
            "Read as numbers: “score”, “share” and “price”.",
            "Read as true or false: “vip”.",
        ],
    ),
    File(
        "Excel 97, numbers, dates and booleans",
        xls(
            ("email", "phone", "score", "signup", "vip"),
            ("ann@x.example", 4915550100, 21.5, DAY, True),
        ),
        {
            "ann@x.example": {
                "phone": "4915550100",
                "custom_variables": {"score": 21.5, "signup": "2026-01-02", "vip": True},
            }
        },
        [
            "kept in “custom variables”: “score”, “signup” and “vip”.",
            "Read as numbers: “score”.",
            "Read as true or false: “vip”.",
        ],
    ),
    File(
        "LibreOffice, numbers, dates, percents and booleans",
        ods(
            ("email", "phone", "score", "signup", "vip", "share", "sum"),
            (
                "ann@x.example",
                {"valuetype": "float", "value": "4915550100"},
                {"valuetype": "currency", "currency": "USD", "value": "5.5"},
                {"valuetype": "date", "datevalue": "2026-01-02"},
                {"valuetype": "boolean", "booleanvalue": "true"},
                {"valuetype": "percentage", "value": "0.5"},
                {"valuetype": "float", "value": "2", "formula": "of:=1+1"},
            ),
        ),
        {
            "ann@x.example": {
                "phone": "4915550100",
                "custom_variables": {
                    "score": 5.5,
                    "signup": "2026-01-02",
                    "vip": True,
                    "share": 0.5,
                    "sum": 2,
                },
            }
        },
        [
            "kept in “custom variables”: “score”, “signup”, “vip”, “share” and “sum”.",
            "Read as numbers: “score”, “share” and “sum”.",
            "Read as true or false: “vip”.",
        ],
    ),
    File(
        "Excel, formulas with their values, and without",
        excel(
            '<row r="1"><c r="A1" t="inlineStr"><is><t>email</t></is></c>'
            '<c r="B1" t="inlineStr"><is><t>first_name</t></is></c>'
            '<c r="C1" t="inlineStr"><is><t>score</t></is></c></row>'
            '<row r="2"><c r="A2" t="str"><f>B2&amp;"@x.example"</f><v>ann@x.example</v></c>'
            '<c r="B2" t="inlineStr"><is><t>Ann</t></is></c>'
            '<c r="C2"><f>20+1</f><v>21</v></c></row>'
            '<row r="3"><c r="A3" t="inlineStr"><is><t>bob@x.example</t></is></c>'
            '<c r="B3" t="e"><f>VLOOKUP(A3,D:E,2,0)</f><v>#N/A</v></c>'
            '<c r="C3"><f>20+2</f></c></row>'
            '<row r="4"><c r="A4" t="inlineStr"><is><t>cid@x.example</t></is></c>'
            '<c r="B4" t="str"><f>""</f><v></v></c></row>'
        ),
        {
            "ann@x.example": {"first_name": "Ann", "custom_variables": {"score": 21}},
            "bob@x.example": {},
            "cid@x.example": {},
        },
        [
            "kept in “custom variables”: “score”",
            "Read as numbers: “score”",
            "Line 3, “first_name”: “#N/A” is spoiled",
            "Line 3, “score”: “#ERROR!” is spoiled",
        ],
    ),
    File(
        "LibreOffice, a formula that failed",
        failed(ods(("email", "title"), ("ann@x.example", "#DIV/0!"))),
        {"ann@x.example": {}},
        ["Line 2, “title”: “#ERROR!” is spoiled"],
    ),
    File(
        "Excel, several sheets, of which the first is empty",
        xlsx((), PEOPLE, (("email",), ("other@x.example",))),
        ZOE,
        ["Of 2 sheets “Sheet1” is read."],
    ),
    File(
        "Excel, several sheets, of which the first explains the others",
        xlsx((("How to fill this in",), ("Write one person a line.",)), PEOPLE),
        ZOE,
        ["Of 2 sheets “Sheet1” is read."],
    ),
    File(
        "Excel, a hidden sheet before the others",
        xlsx((("email",), ("other@x.example",)), PEOPLE, change=hide),
        ZOE,
    ),
    File(
        "Excel, a title over all columns, and blanks around",
        xlsx(
            (
                (),
                (None, "All our people"),
                (),
                (None, *HEADER),
                (None, "ann@x.example", "Zoë"),
                (),
                (None, "bob", "Bob"),
            ),
            change=merge("B2:C2"),
        ),
        ZOE,
        ["What stands above the header (line 4) is passed over: 1 line."],
        rejected={7: "Email: Enter a valid email address."},
    ),
    File(
        "Excel, a header of two rows with merged cells",
        xlsx(
            (
                ("Email", "Person", None, "Score"),
                (None, "First name", "Last name", None),
                ("ann@x.example", "Ann", "Ross", 21),
            ),
            change=merge("A1:A2", "B1:C1", "D1:D2"),
        ),
        {
            "ann@x.example": {
                "first_name": "Ann",
                "last_name": "Ross",
                "custom_variables": {"Score": 21},
            }
        },
        ["kept in “custom variables”: “Score”", "Read as numbers: “Score”"],
    ),
    File(
        "Excel, a group over the columns",
        xlsx(
            (
                ("Person", None, "Work"),
                ("Email", "First Name", "Title"),
                ("ann@x.example", "Ann", "CEO"),
            ),
            change=merge("A1:B1"),
        ),
        {"ann@x.example": {"first_name": "Ann", "title": "CEO"}},
        ["What stands above the header (line 2) is passed over: 1 line."],
    ),
    File(
        "Excel, ids and sizes that it has spoiled",
        xlsx(
            (
                ("id", "size", "annual_revenue"),
                (42, datetime.date(2026, 1, 10), 5000000),
                (1234567890123456789, "51-200", 1500000.5),
            )
        ),
        {"42": {"annual_revenue": 5000000}},
        [
            "“annual_revenue”: “1500000.5” is read as “1500001”.",
            "Line 2, “size”: “2026-01-10” is spoiled",
            "Line 3, “id”: “1234567890123460000” is spoiled",
        ],
        rejected={3: "id: a spreadsheet has spoiled this"},
        kind="companies",
    ),
    File(
        "Excel, columns that were used once, and rows that are only formatted",
        xlsx(
            (("Email", "First Name", None, None), ("ann@x.example", "Zoë", None, ""), (None, None))
        ),
        ZOE,
    ),
]
