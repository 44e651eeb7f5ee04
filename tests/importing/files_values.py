"""Amounts, ids, types and dates, and what spreadsheets have spoiled."""

from __future__ import annotations

import csv

from tests.importing.kit import File, written

CASES = ("5000000.0", "5000000.00", "1,500,000", "1.5E+06")


def companies(column: str, *cells: str, **dialect: object) -> bytes:
    """A file of companies A, B, C ... with these cells in the column."""
    ids = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return written((("id", column), *zip(ids, cells, strict=False)), **dialect)  # type: ignore[arg-type]  # of csv


def people(column: str, *cells: str) -> bytes:
    """A file of contacts a@, b@, c@ ... with these cells in the column."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return written(
        (("email", column), *((f"{a}@x.example", b) for a, b in zip(letters, cells, strict=False)))
    )


def values(column: str, *cells: object) -> dict[str, dict[str, object]]:
    """Companies A, B, C ... with these values in the column, None for none."""
    ids = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return {
        one: {} if cell is None else {column: cell} for one, cell in zip(ids, cells, strict=False)
    }


def variables(column: str, *cells: object) -> dict[str, dict[str, object]]:
    """Contacts a@, b@, c@ ... with these values in a custom variable, None for none."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return {
        f"{one}@x.example": {} if cell is None else {"custom_variables": {column: cell}}
        for one, cell in zip(letters, cells, strict=False)
    }


CALL = {"contact_email": "ann@x.example", "name": "Call", "description": "Talked"}

FILES = [
    # Amounts
    File(
        "Four tools, one revenue",
        companies("annual_revenue", *CASES),
        values("annual_revenue", 5000000, 5000000, 1500000, 1500000),
        ["“annual_revenue”: “5000000.0” is read as “5000000”."],
        kind="companies",
    ),
    File(
        "Excel in Germany, revenue",
        companies("Annual Revenue", "1.500.000,00", "2.500", "300,5", delimiter=";"),
        values("annual_revenue", 1500000, 2500, 301),
        ["“Annual Revenue”: “2.500” is read as “2500”."],
        kind="companies",
    ),
    File(
        "Excel in France, revenue",
        companies("Annual Revenue", "1\u202f500\u202f000,50", "2 500", "300", delimiter=";"),
        values("annual_revenue", 1500001, 2500, 300),
        ["“Annual Revenue”: “1\u202f500\u202f000,50” is read as “1500001”."],
        kind="companies",
    ),
    File(
        "Excel in Switzerland, revenue",
        companies("Annual Revenue", "1'500'000.00", "2’500.00"),
        values("annual_revenue", 1500000, 2500),
        ["“Annual Revenue”: “1'500'000.00” is read as “1500000”."],
        kind="companies",
    ),
    File(
        "Google Sheets in India, revenue",
        companies("Annual Revenue", "12,34,567.00", "5,00,000"),
        values("annual_revenue", 1234567, 500000),
        ["“Annual Revenue”: “12,34,567.00” is read as “1234567”."],
        kind="companies",
    ),
    File(
        "Accounting, revenue in dollars",
        companies("Revenue", "$1,500,000", "US$ 2,500.40", "3000 USD", "$1.5M", "2.25bn", "700k"),
        values("annual_revenue", 1500000, 2500, 3000, 1500000, 2250000000, 700000),
        ["Read: “Revenue” as annual_revenue.", "“Revenue”: “$1,500,000” is read as “1500000”."],
        kind="companies",
    ),
    File(
        "Revenue of which nothing but the points can be seen",
        companies("annual_revenue", "1.500", "2.750"),
        values("annual_revenue", 1500, 2750),
        ["“annual_revenue”: “1.500” is read as “1500”."],
        kind="companies",
    ),
    File(
        "Revenue of which nothing but the commas can be seen",
        companies("annual_revenue", "1,500", "900"),
        values("annual_revenue", 1500, 900),
        ["“annual_revenue”: “1,500” is read as “1500”."],
        kind="companies",
    ),
    File(
        "Revenue in thousands, by somebody who knows",
        companies("annual_revenue", "1.500", "2.750"),
        values("annual_revenue", 2, 3),
        ["“annual_revenue”: “1.500” is read as “2”."],
        kind="companies",
        choices={"annual_revenue": "annual_revenue:decimal-point"},
    ),
    File(
        "Revenue from two countries in one column",
        companies("annual_revenue", "1.500.000,00", "1,500,000.00", "1.500", "7"),
        {
            "A": {"annual_revenue": 1500000},
            "B": {"annual_revenue": 1500000},
            "D": {"annual_revenue": 7},
        },
        rejected={4: "annual_revenue: this may be 1.5 or 1500: say how the column is to be read"},
        kind="companies",
    ),
    File(
        "Revenue in another currency",
        companies("annual_revenue", "€5.000.000", "5000000"),
        {"B": {"annual_revenue": 5000000}},
        rejected={2: "annual_revenue: this is no amount in US dollars"},
        kind="companies",
    ),
    # Ids
    File(
        "pandas, ids that were numbers with gaps",
        b"id,company_name\n42.0,Acme\n43.0,Lumentum\n",
        {"42": {"company_name": "Acme"}, "43": {"company_name": "Lumentum"}},
        ["“id”: “42.0” is read as “42”."],
        kind="companies",
    ),
    File(
        "pandas, ids of companies of contacts",
        b"email,company_id\nann@x.example,42.0\nbob@x.example,\n",
        {"ann@x.example": {"company_id": "42"}, "bob@x.example": {}},
        ["“company_id”: “42.0” is read as “42”."],
        existing=[("42", "Acme")],
    ),
    File(
        "Ids with a point, which are none of pandas",
        b"id,company_name\n1.0,Acme\n1.1,Lumentum\n",
        {"1.0": {"company_name": "Acme"}, "1.1": {"company_name": "Lumentum"}},
        kind="companies",
    ),
    File(
        "Ids with a point, by somebody who knows",
        b"id,company_name\n42.0,Acme\n",
        {"42.0": {"company_name": "Acme"}},
        kind="companies",
        choices={"id": "external_id:text"},
    ),
    File(
        "Ids with naughts before them",
        b"id,company_name\n0042,Acme\n0043,Lumentum\n",
        {"0042": {"company_name": "Acme"}, "0043": {"company_name": "Lumentum"}},
        kind="companies",
    ),
    File(
        "Excel, ids that it took for numbers",
        b"id,company_name\r\n1E+05,Acme\r\n4.92E+11,Lumentum\r\n7,Other\r\n",
        {"7": {"company_name": "Other"}},
        [
            "Line 2, “id”: “1E+05” is spoiled: it was a long number, and has lost its last digits."
            " The line is rejected.",
            "Line 3, “id”: “4.92E+11” is spoiled",
        ],
        rejected={2: "id: a spreadsheet has spoiled this", 3: "id: a spreadsheet has spoiled this"},
        kind="companies",
    ),
    File(
        "Excel, long ids that it has rounded",
        b"id,company_name\r\n1234567890123450000,Acme\r\n7,Other\r\n",
        {"7": {"company_name": "Other"}},
        ["Line 2, “id”: “1234567890123450000” is spoiled: it was a long number, and its last"],
        rejected={2: "id: a spreadsheet has spoiled this"},
        kind="companies",
    ),
    File(
        "Long ids, one of which ends in naughts by chance",
        b"id,company_name\n1234567890123450000,Acme\n1234567890123456789,Other\n",
        {
            "1234567890123450000": {"company_name": "Acme"},
            "1234567890123456789": {"company_name": "Other"},
        },
        kind="companies",
    ),
    # One type a column
    File(
        "ZIP codes, with a naught before one",
        people("ZIP", "01234", "94105"),
        variables("ZIP", "01234", "94105"),
        ["kept in “custom variables”: “ZIP”"],
    ),
    File(
        "ZIP codes, with a naught before none",
        people("Postal code", "10115", "94105"),
        variables("Postal code", "10115", "94105"),
        ["kept in “custom variables”: “Postal code”"],
    ),
    File(
        "Member numbers, with naughts before them",
        people("Member", "007", "", "1234"),
        variables("Member", "007", None, "1234"),
        ["kept in “custom variables”: “Member”"],
    ),
    File(
        "Scores",
        people("score", "21", "-3", "0", "1.5"),
        variables("score", 21, -3, 0, 1.5),
        ["kept in “custom variables”: “score”", "Read as numbers: “score”"],
    ),
    File(
        "Prices of two decimals",
        people("price", "12.50", "3.00", "4.25"),
        variables("price", 12.5, 3.0, 4.25),
        ["kept in “custom variables”: “price”", "Read as numbers: “price”"],
    ),
    File(
        "Versions",
        people("version", "1.9", "1.10"),
        variables("version", "1.9", "1.10"),
        ["kept in “custom variables”: “version”"],
    ),
    File(
        "Numbers that may be in thousands",
        people("visits", "1.500", "2.750"),
        variables("visits", "1.500", "2.750"),
        ["“visits”", "“visits”: “1.500” may be 1.5 or 1500, so it is read as text."],
    ),
    File(
        "Numbers that may be in thousands, by somebody who knows",
        people("visits", "1.500", "2.750,5"),
        variables("visits", 1500, 2750.5),
        ["“visits”", "“visits”: “1.500” is read as “1500”."],
        choices={"visits": "variable:decimal-comma"},
    ),
    File(
        "Numbers of more digits than JSON's readers keep",
        people("card", "12345678901234567", "12"),
        variables("card", "12345678901234567", "12"),
        ["kept in “custom variables”: “card”"],
    ),
    File(
        "Scores, one of which is none",
        people("score", "21", "n/a", "30"),
        variables("score", "21", "n/a", "30"),
        ["kept in “custom variables”: “score”"],
    ),
    File(
        "Scores, one of which is none, by somebody who knows",
        people("score", "21", "n/a", "30"),
        {
            "a@x.example": {"custom_variables": {"score": 21}},
            "c@x.example": {"custom_variables": {"score": 30}},
        },
        ["kept in “custom variables”: “score”", "Read as numbers: “score”"],
        rejected={3: "score: this is no number"},
        choices={"score": "variable:number"},
    ),
    File(
        "Excel, TRUE and FALSE",
        people("vip", "TRUE", "FALSE", ""),
        variables("vip", True, False, None),
        ["“vip”", "Read as true or false: “vip”"],
    ),
    File(
        "Excel in Germany, WAHR and FALSCH",
        people("vip", "WAHR", "FALSCH"),
        variables("vip", True, False),
        ["“vip”", "Read as true or false: “vip”"],
    ),
    File(
        "True and yes in one column",
        people("vip", "true", "yes"),
        variables("vip", "true", "yes"),
        ["kept in “custom variables”: “vip”"],
    ),
    File(
        "True, yes and 0 in one column, by somebody who knows",
        people("vip", "true", "yes", "0"),
        variables("vip", True, True, False),
        ["“vip”", "Read as true or false: “vip”"],
        choices={"vip": "variable:boolean"},
    ),
    File(
        "Dates in a variable",
        people("signup", "2026-01-02", "13/02/2026"),
        variables("signup", "2026-01-02", "13/02/2026"),
        ["kept in “custom variables”: “signup”"],
    ),
    File(
        "Dates in a variable, by somebody who knows",
        people("signup", "01/02/2026", "13/02/2026", "Mar 3, 2026"),
        variables("signup", "2026-02-01", "2026-02-13", "2026-03-03"),
        ["“signup”", "“signup”: “01/02/2026” is read as “2026-02-01”."],
        choices={"signup": "variable:date"},
    ),
    File(
        "Columns that somebody does not want, or wants elsewhere",
        b"email,Tel.,Notes,Plan\nann@x.example,555 0100,private,1\n",
        {"ann@x.example": {"phone": "555 0100", "custom_variables": {"Plan": "1"}}},
        ["Read: “Tel.” as phone.", "kept in “custom variables”: “Plan”"],
        choices={"Tel.": "phone", "Notes": "skip", "Plan": "variable:text"},
    ),
    File(
        "Titles in another language, by somebody who knows",
        "Imię;Adres poczty\nŁucja;ann@x.example\n".encode(),
        {"ann@x.example": {"first_name": "Łucja"}},
        ["Read: “Imię” as first_name and “Adres poczty” as email."],
        choices={"Imię": "first_name", "Adres poczty": "email"},
    ),
    # Companies by their names
    File(
        "Contacts with the names of their companies",
        b"email,Company\na@x.example,Acme\nb@x.example,Twice\nc@x.example,Unknown\n",
        {"a@x.example": {"company_id": "A1"}, "b@x.example": {}, "c@x.example": {}},
        ["Read: “Company” as company_name.", "“Company”: the company of that name"],
        existing=[("A1", "Acme"), ("A2", "Twice"), ("A3", "Twice")],
    ),
    File(
        "Contacts with the ids of their companies, and the names",
        b"email,company_id,company_name\na@x.example,A2,Acme\n",
        {"a@x.example": {"company_id": "A2"}},
        ["“company_name” is left out: the company (company_id) gives it."],
        existing=[("A1", "Acme"), ("A2", "Other")],
    ),
    # Consent
    File(
        "Statuses, in other words",
        people("Subscription Status", "Subscribed", "Opted out", "Never subscribed", "pending"),
        {
            "a@x.example": {"subscription_status": "SUBSCRIBED"},
            "b@x.example": {"subscription_status": "UNSUBSCRIBED"},
            "c@x.example": {},
            "d@x.example": {"subscription_status": "PENDING"},
        },
    ),
    File(
        "A status and an opt-out in one line",
        b"email,subscription_status,Opted out\n"
        b"a@x.example,SUBSCRIBED,x\nb@x.example,SUBSCRIBED,\nc@x.example,,maybe\n",
        {
            "a@x.example": {"subscription_status": "UNSUBSCRIBED"},
            "b@x.example": {"subscription_status": "SUBSCRIBED"},
        },
        ["“Opted out”: Whoever has “yes”"],
        rejected={4: "Opted out: this does not say whether somebody has opted out"},
    ),
    # Spoiled
    File(
        "Excel, phones that it took for numbers",
        people("Phone", "4.92E+11", "+49 171 5550100", "492000000000"),
        {
            "a@x.example": {},
            "b@x.example": {"phone": "+49 171 5550100"},
            "c@x.example": {"phone": "492000000000"},
        },
        [
            "Line 2, “Phone”: “4.92E+11” is spoiled: it was a long number, and has lost its last"
            " digits. It is left out."
        ],
    ),
    File(
        "Excel, sizes that it took for dates",
        companies("size", "10-Jan", "Nov-50", "51-200", "01. Okt", "10001+"),
        values("size", None, None, "51-200", None, "10001+"),
        [
            "Line 2, “size”: “10-Jan” is spoiled: it was a range such as 1-10 or 11-50, and has"
            " become a date. It is left out.",
            "Line 3, “size”: “Nov-50” is spoiled",
            "Line 5, “size”: “01. Okt” is spoiled",
        ],
        kind="companies",
    ),
    File(
        "Excel, a column that was too narrow, and formulas that failed",
        b"email,first_name,signup,score\r\n"
        b"a@x.example,#REF!,########,12\r\nb@x.example,Bob,2026-01-02,#N/A\r\n",
        {
            "a@x.example": {"custom_variables": {"score": 12}},
            "b@x.example": {"first_name": "Bob", "custom_variables": {"signup": "2026-01-02"}},
        },
        [
            "kept in “custom variables”: “signup” and “score”",
            "Read as numbers: “score”",
            "Line 2, “first_name”: “#REF!” is spoiled: it could not be computed, or its column was"
            " too narrow. It is left out.",
            "Line 2, “signup”: “########” is spoiled",
            "Line 3, “score”: “#N/A” is spoiled",
        ],
    ),
    File(
        "Excel in Germany, formulas that failed",
        written((("email", "title"), ("a@x.example", "#BEZUG!"), ("b@x.example", "#NV"))),
        {"a@x.example": {}, "b@x.example": {}},
        ["Line 2, “title”: “#BEZUG!” is spoiled", "Line 3, “title”: “#NV” is spoiled"],
    ),
    File(
        "Excel, an email that it could not look up",
        b"email,title\r\n#N/A,CEO\r\nb@x.example,CTO\r\n",
        {"b@x.example": {"title": "CTO"}},
        ["Line 2, “email”: “#N/A” is spoiled"],
        rejected={2: "email: this can't be blank"},
    ),
    File(
        "Excel, long numbers in a variable",
        people("Card", "4.53E+15", "4532015112830360", "12"),
        variables("Card", "4.53E+15", "4532015112830360", "12"),
        [
            "kept in “custom variables”: “Card”",
            "Line 2, “Card”: “4.53E+15” is spoiled: it was a long number, and has lost its last"
            " digits. It is taken as it stands.",
            "Line 3, “Card”: “4532015112830360” is spoiled",
        ],
    ),
    File(
        "UTF-8 that somebody has read as Windows-1252",
        people("last_name", "MÃ¼ller", "Müller"),
        {"a@x.example": {"last_name": "MÃ¼ller"}, "b@x.example": {"last_name": "Müller"}},
        ["Line 2, “last_name”: “MÃ¼ller” is spoiled: it was read in the wrong encoding once."],
    ),
    # Engagements
    File(
        "Engagements, with the day before the month",
        written(
            (
                ("source_key", "email", "name", "description", "occurred_at"),
                ("E1", "ann@x.example", "Call", "Talked", "01/02/2026 14:05"),
                ("E2", "ann@x.example", "Call", "Talked", "13/02/2026"),
            )
        ),
        {
            "E1": CALL | {"occurred_at": "2026-02-01 14:05:00+00:00"},
            "E2": CALL | {"occurred_at": "2026-02-13 00:00:00+00:00"},
        },
        ["Read: “email” as contact_email.", "“01/02/2026 14:05” is read as “2026-02-01T14:05:00”"],
        kind="engagements",
    ),
    File(
        "Engagements, whose day and month can't be told apart",
        written(
            (
                ("source_key", "email", "name", "description", "occurred_at", "minutes"),
                ("E1", "ann@x.example", "Call", "Talked", "1/2/2026 3:04 PM", "30"),
                ("E2", "ann@x.example", "Call", "Talked", "2026-02-13 10:00", "12.5"),
            )
        ),
        {"E2": CALL | {"occurred_at": "2026-02-13 10:00:00+00:00", "data": {"minutes": 12.5}}},
        ["“email” as contact_email", "kept in “data”: “minutes”", "Read as numbers: “minutes”"],
        rejected={
            2: "occurred_at: this may be 2026-02-01T15:04:00 or 2026-01-02T15:04:00: say how"
        },
        kind="engagements",
    ),
    File(
        "Engagements, with the month before the day, by somebody who knows",
        written(
            (
                ("source_key", "email", "name", "description", "occurred_at"),
                ("E1", "ann@x.example", "Call", "Talked", "1/2/2026 3:04 PM"),
            ),
            quoting=csv.QUOTE_ALL,
        ),
        {"E1": CALL | {"occurred_at": "2026-01-02 15:04:00+00:00"}},
        ["“email” as contact_email", "“1/2/2026 3:04 PM” is read as “2026-01-02T15:04:00”"],
        kind="engagements",
        choices={"occurred_at": "occurred_at:month-first"},
    ),
]
