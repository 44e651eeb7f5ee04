"""Dates in two orders, and which of them a column is in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversion_sync.importing.reading.dates import DAY_FIRST, MONTH_FIRST, DateBallot, iso


@pytest.mark.parametrize(
    ("text", "day_first", "month_first", "untold"),
    [
        ("2026-02-01", "2026-02-01", "2026-02-01", "2026-02-01"),
        ("2026-02-01T03:04:05Z", *["2026-02-01T03:04:05Z"] * 3),
        ("01/02/2026", "2026-02-01", "2026-01-02", None),
        ("13/02/2026", "2026-02-13", None, "2026-02-13"),
        ("2/13/2026", None, "2026-02-13", "2026-02-13"),
        ("05-05-2026", "2026-05-05", "2026-05-05", "2026-05-05"),
        ("01.02.2026", "2026-02-01", "2026-02-01", "2026-02-01"),
        ("2026/02/01", "2026-02-01", "2026-02-01", "2026-02-01"),
        ("1 Feb 2026", "2026-02-01", "2026-02-01", "2026-02-01"),
        ("01-Feb-2026", "2026-02-01", "2026-02-01", "2026-02-01"),
        ("February 1, 2026", "2026-02-01", "2026-02-01", "2026-02-01"),
        ("1/2/2026 3:04 PM", "2026-02-01T15:04:00", "2026-01-02T15:04:00", None),
        ("1/2/2026, 12:04:05 a.m.", "2026-02-01T00:04:05", "2026-01-02T00:04:05", None),
        ("2026/02/01 10:00:00 UTC", *["2026-02-01T10:00:00Z"] * 3),
        # None of these is one.
        ("", None, None, None),
        ("yesterday", None, None, None),
        ("31/02/2026", None, None, None),
        ("01/02/26", None, None, None),
        ("01/02/2026 25:00", None, None, None),
        ("01/02/2026 13:00 PM", None, None, None),
        ("1 Foo 2026", None, None, None),
    ],
)
def test_a_date_is_read_in_both_orders(text, day_first, month_first, untold):
    assert (iso(text, DAY_FIRST), iso(text, MONTH_FIRST), iso(text, "")) == (
        day_first,
        month_first,
        untold,
    )


@given(st.text(alphabet="0123456789./- :,apmAPMTZfebFEB", max_size=20))
def test_no_text_breaks_the_reading(text):
    for order in (DAY_FIRST, MONTH_FIRST, ""):
        iso(text, order)


@pytest.mark.parametrize(
    ("cells", "order", "doubtful"),
    [
        ([], "", ""),
        (["2026-02-01"], "", ""),
        (["01/02/2026"], "", "01/02/2026"),
        (["01/02/2026", "13/02/2026"], DAY_FIRST, "01/02/2026"),
        (["01/02/2026", "02/13/2026"], MONTH_FIRST, "01/02/2026"),
        (["13/02/2026", "02/13/2026"], "", ""),
    ],
)
def test_all_cells_have_a_say(cells, order, doubtful):
    ballot = DateBallot()
    for cell in cells:
        ballot.add([cell])
    assert (ballot.order, ballot.doubtful) == (order, doubtful)
