"""What spreadsheets spoil is told from what people mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversion_sync.importing.reading.spoiled import Harm, harm_of, harmed


@pytest.mark.parametrize(
    ("text", "harm"),
    [
        ("#N/A", Harm.ERROR),
        ("#DIV/0!", Harm.ERROR),
        ("#BEZUG!", Harm.ERROR),
        ("########", Harm.ERROR),
        ("Err:502", Harm.ERROR),
        ("4.92E+11", Harm.SHORTENED),
        ("4,92E+11", Harm.SHORTENED),
        ("1E+05", Harm.SHORTENED),
        ("1234567890123450000", Harm.ROUNDED),
        ("10-Jan", Harm.DATED),
        ("Nov-50", Harm.DATED),
        ("01. Okt", Harm.DATED),
        ("10-janv", Harm.DATED),
        ("2026-01-10", Harm.DATED),
        ("2026-01-10 00:00:00", Harm.DATED),
        ("10/01/2026", Harm.DATED),
        ("MÃ¼ller", Harm.GARBLED),
        ("Itâ€™s", Harm.GARBLED),
    ],
)
def test_it_is_seen(text, harm: Harm):
    assert harm_of(text, list(Harm)) is harm
    assert harmed([text, "whole"], [harm]) == {text: harm}


@pytest.mark.parametrize(
    "text",
    [
        *("", "#", "#1", "# of people", "#sales", "N/A", "Error: 502", "E", "1E5", "2E-3"),
        *("1234567890123456789", "123456789012345", "100000000000000"),
        *("1-10", "11-50", "51-200", "10,001+", "5000-10000", "may", "Marc", "12 decades ago"),
        *("Müller", "José", "Ångström", "Â", "São Paulo", "Łódź"),
    ],
)
def test_what_is_whole_is_left_alone(text):
    assert harm_of(text, list(Harm)) is None


@given(st.text(min_size=1, max_size=20))
def test_no_text_breaks_it(text):
    harm_of(text, list(Harm))
