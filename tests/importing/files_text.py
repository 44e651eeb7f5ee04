"""Text files: encodings, separators, quotes, line ends, headers, short and long lines."""

from __future__ import annotations

import csv

from tests.importing.kit import File, written

ANN = {"ann@x.example": {"first_name": "Ann"}}
ZOE = {"ann@x.example": {"first_name": "Zoë"}}

HEADER = ("Email", "First Name")
PEOPLE = (HEADER, ("ann@x.example", "Zoë"))

FILES = [
    File("Excel, CSV UTF-8", written(PEOPLE, encoding="utf-8-sig"), ZOE),
    File(
        "Excel in Germany, CSV",
        written(PEOPLE, delimiter=";", encoding="cp1252"),
        ZOE,
        ["not UTF-8: it is read as Windows-1252 (line 2: “Zoë”)"],
    ),
    File(
        "Excel in Poland, CSV, whose encoding somebody knows",
        written((HEADER, ("ann@x.example", "Łucja")), delimiter=";", encoding="cp1250"),
        {"ann@x.example": {"first_name": "Łucja"}},
        encoding="cp1250",
    ),
    File(
        "Excel, CSV (MS-DOS), whose encoding somebody knows",
        written(PEOPLE, delimiter=";", encoding="cp850"),
        ZOE,
        encoding="cp850",
    ),
    File(
        "Excel, Unicode text",
        b"\xff\xfe" + written(PEOPLE, delimiter="\t", encoding="utf-16-le"),
        ZOE,
        ["read as UTF-16"],
    ),
    File(
        "UTF-16, the other way round",
        b"\xfe\xff" + written(PEOPLE, encoding="utf-16-be"),
        ZOE,
        ["read as UTF-16"],
    ),
    File(
        "PowerShell, Out-File without a mark",
        written(PEOPLE, encoding="utf-16-le"),
        ZOE,
        ["read as UTF-16"],
    ),
    File(
        "A script of old, Latin-1",
        written(PEOPLE, encoding="latin-1", lineterminator="\n"),
        ZOE,
        ["read as Windows-1252"],
    ),
    File(
        "Two programs, each with a mark of its own",
        "\ufeff\ufeffemail,first_name\nann@x.example,Zoë\n".encode(),
        ZOE,
    ),
    File(
        "A site, with a line for Excel",
        b"sep=;\r\n" + written(PEOPLE, delimiter=";"),
        ZOE,
    ),
    File(
        "A site, with a quoted line for Excel, behind a mark",
        b'\xef\xbb\xbf"sep=|"\r\n' + written(PEOPLE, delimiter="|"),
        ZOE,
    ),
    File(
        "A site, with a line for Excel that tells tabs",
        b"SEP=\t\n" + written(PEOPLE, delimiter="\t", lineterminator="\n"),
        ZOE,
    ),
    File(
        "LibreOffice, with all text quoted",
        written(PEOPLE, quoting=csv.QUOTE_ALL, lineterminator="\n"),
        ZOE,
    ),
    File(
        "Google Sheets, CSV, whose last line has no end",
        written(PEOPLE).removesuffix(b"\r\n"),
        ZOE,
    ),
    File(
        "Google Sheets, TSV",
        written(PEOPLE, delimiter="\t").removesuffix(b"\r\n"),
        ZOE,
    ),
    File("An ERP, with bars", written(PEOPLE, delimiter="|", lineterminator="\n"), ZOE),
    File(
        "An ERP, with a bar behind each cell",
        b"EMAIL|FIRST_NAME|\nann@x.example|Ann|\n",
        ANN,
    ),
    File(
        "Semicolons, with commas in the header",
        b"E-Mail;First name;Revenue, in USD\r\nann@x.example;Ann;1,5\r\n",
        {"ann@x.example": {"first_name": "Ann", "custom_variables": {"Revenue, in USD": "1,5"}}},
        ["kept in “custom variables”: “Revenue, in USD”"],
    ),
    File(
        "Commas, with semicolons in the cells",
        b"email,tags\nann@x.example,a;b;c\nbob@x.example,d;e;f\n",
        {
            "ann@x.example": {"custom_variables": {"tags": "a;b;c"}},
            "bob@x.example": {"custom_variables": {"tags": "d;e;f"}},
        },
        ["kept in “custom variables”: “tags”"],
    ),
    File("One column alone", b"Email\r\nann@x.example\r\n", {"ann@x.example": {}}),
    File("Mac OS of old, line ends", b"Email,First Name\rann@x.example,Ann\r", ANN),
    File(
        "Several line ends, and one too many",
        b"Email,First Name\r\nann@x.example,Ann\r\r\nbob@x.example,Bob\n",
        {**ANN, "bob@x.example": {"first_name": "Bob"}},
    ),
    File("MS-DOS, with its end of a file", b"Email,First Name\r\nann@x.example,Ann\r\n\x1a", ANN),
    File(
        "A cell of two lines, with quotes in it",
        written((("Email", "Title"), ("ann@x.example", 'CEO, "the\r\nboss"'))),
        {"ann@x.example": {"title": 'CEO, "the\r\nboss"'}},
    ),
    File(
        "A quote in the middle of a cell, as people type it",
        b'email,title\nann@x.example,5" pipes\n',
        {"ann@x.example": {"title": '5" pipes'}},
    ),
    File(
        "Blanks around the cells",
        b" Email , First Name \n ann@x.example , Ann\xc2\xa0\n",
        ANN,
    ),
    File(
        "A program that keeps naughts from Excel",
        b'email,zip,phone\nann@x.example,="01234","=""0171 555"""\n',
        {"ann@x.example": {"phone": "0171 555", "custom_variables": {"zip": "01234"}}},
        ["kept in “custom variables”: “zip”"],
    ),
    File(
        "PostgreSQL, COPY with CSV",
        b'email,first_name,title\nann@x.example,Ann,\nbob@x.example,,""\n',
        {**ANN, "bob@x.example": {}},
    ),
    File(
        "MySQL, INTO OUTFILE with nulls",
        b"email\tfirst_name\ttitle\nann@x.example\tAnn\t\\N\n",
        ANN,
    ),
    File(
        "pandas, with its index",
        b",email,first_name\n0,ann@x.example,Ann\n1,bob@x.example,Bob\n",
        {**ANN, "bob@x.example": {"first_name": "Bob"}},
        ["“column_1” is left out: it only counts the rows"],
    ),
    File(
        "R, with its row names",
        b'"","email","first_name"\n"1","ann@x.example","Ann"\n"2","bob@x.example","Bob"\n',
        {**ANN, "bob@x.example": {"first_name": "Bob"}},
        ["“column_1” is left out: it only counts the rows"],
    ),
    File(
        "Excel, with columns that were used once",
        b"Email,First Name,,\r\nann@x.example,Ann,,\r\n",
        ANN,
    ),
    File(
        "Excel, with a column that nobody named",
        b"Email,,First Name\r\nann@x.example,vip,Ann\r\n",
        {"ann@x.example": {"first_name": "Ann", "custom_variables": {"column_2": "vip"}}},
        ["kept in “custom variables”: “column_2”", "Column 2 has no name"],
    ),
    File(
        "Excel, with a blank cell behind the last",
        b"Email,First Name\r\nann@x.example,Ann,\r\nbob@x.example,Bob,,,\r\n",
        {**ANN, "bob@x.example": {"first_name": "Bob"}},
    ),
    File(
        "Excel, with blank lines below",
        b"Email,First Name\r\nann@x.example,Ann\r\n,\r\n,\r\n",
        ANN,
    ),
    File(
        "A program that stops after the last cell that is not blank",
        b"email,first_name,title\nann@x.example,Ann\nbob@x.example,Bob,CTO\ncid@x.example\n",
        {
            **ANN,
            "bob@x.example": {"first_name": "Bob", "title": "CTO"},
            "cid@x.example": {},
        },
        ["2 lines have fewer cells than the header (the first is line 2)"],
    ),
    File(
        "A line with one cell too many",
        b"email,first_name\nann@x.example,Ann\nbob@x.example,Smith, Bob\n",
        ANN,
        rejected={3: "3 cells, where the header has 2 columns"},
    ),
    File(
        "A report, with titles above its header",
        b"All contacts\nPrinted on 2026-01-02,\n\nEmail,First Name\nann@x.example,Ann\n",
        ANN,
        ["What stands above the header (line 4) is passed over: 2 lines"],
    ),
    File(
        "A report, whose title is the name of a column",
        b"Email\n\nEmail,First Name\nann@x.example,Ann\n",
        ANN,
        ["What stands above the header (line 3) is passed over: 1 line"],
    ),
    File(
        "A shop, in capitals",
        b"E-MAIL,FIRSTNAME,PHONE NUMBER\nann@x.example,Ann,+1 555 0100\n",
        {"ann@x.example": {"first_name": "Ann", "phone": "+1 555 0100"}},
        ["Read: “PHONE NUMBER” as phone."],
    ),
    File(
        "An export of our own",
        "\ufeffemail,first_name,last_name,phone,title,linkedin_url,external_contact,"
        "subscription_status,company_id,custom_variables\r\n"
        'ann@x.example,Ann,,\'+1 555 0100,,,"{""crm"": 7}",SUBSCRIBED,,'
        '"{""zip"": ""01234""}"\r\n'.encode(),
        {
            "ann@x.example": {
                "first_name": "Ann",
                "phone": "+1 555 0100",
                "external_contact": {"crm": 7},
                "subscription_status": "SUBSCRIBED",
                "custom_variables": {"zip": "01234"},
            }
        },
    ),
]
