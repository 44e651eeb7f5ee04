"""Numbers in two notations, and which of them a column is in."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversion_sync.importing.reading.numbers import COMMA, POINT, NumberBallot, parsed


@pytest.mark.parametrize(
    ("text", "point", "comma"),
    [
        ("5", 5, 5),
        ("-3", -3, -3),
        ("\u22123", -3, -3),
        ("5000000.0", 5000000, None),
        ("1,500,000", 1500000, None),
        ("1.500.000,00", None, 1500000),
        ("1.500", Decimal("1.5"), 1500),
        ("1,500", 1500, Decimal("1.5")),
        ("1 500 000", 1500000, 1500000),
        ("1\u00a0500\u00a0000,25", None, Decimal("1500000.25")),
        ("1\u202f500", 1500, 1500),
        ("1'234'567.5", Decimal("1234567.5"), None),
        ("12,34,567", 1234567, None),
        (".5", Decimal("0.5"), None),
        ("1.5E+06", 1500000, None),
        ("1,5e6", None, 1500000),
        ("1.5M", 1500000, None),
        ("1,5 Mio.", None, 1500000),
        ("2 Mrd", 2000000000, 2000000000),
        ("3bn", 3000000000, 3000000000),
        ("$1,500.50", Decimal("1500.5"), None),
        ("US$ 7", 7, 7),
        ("7 USD", 7, 7),
        # None of these is one, or is told.
        ("", None, None),
        ("much", None, None),
        ("5.", None, None),
        ("--5", None, None),
        ("€5", None, None),
        ("5 EUR", None, None),
        ("1,50,00", None, None),
        ("1 500,000 000", None, None),
        ("1.500,000.00", None, None),
        ("1e999", None, None),
        ("12 pieces", None, None),
    ],
)
def test_a_number_is_read_in_both_notations(text, point, comma):
    assert (parsed(text, POINT), parsed(text, COMMA)) == (point, comma)


@given(st.decimals(-(10**12), 10**12, places=2), st.sampled_from([POINT, COMMA]))
def test_a_number_that_is_written_with_groups_is_read_as_it_was(number, notation):
    text = f"{number:,.2f}"
    if notation == COMMA:
        text = text.translate(str.maketrans(",.", ".,"))
    assert parsed(text, notation) == number


@given(st.text(alphabet="0123456789.,' e+-$kM", max_size=12))
def test_no_text_breaks_the_reading(text):
    for notation in (POINT, COMMA):
        parsed(text, notation)


@pytest.mark.parametrize(
    ("cells", "notation", "doubtful"),
    [
        ([], POINT, ""),
        (["5", "7"], POINT, ""),
        (["1.500,00", "1.500"], COMMA, "1.500"),
        (["1,500.00", "1,500"], POINT, "1,500"),
        # Of these alone: whole numbers are likelier than three decimals.
        (["1.500"], COMMA, "1.500"),
        (["1,500"], POINT, "1,500"),
        # They contradict each other, or leave it open.
        (["1.500,00", "1,500.00"], "", ""),
        (["1.500", "1,500"], "", "1.500"),
        (["1.500M"], "", "1.500M"),
        (["much"], POINT, ""),
    ],
)
def test_all_cells_have_a_say(cells, notation, doubtful):
    ballot = NumberBallot()
    for cell in cells:
        ballot.add([cell])
    assert (ballot.notation, ballot.doubtful) == (notation, doubtful)
