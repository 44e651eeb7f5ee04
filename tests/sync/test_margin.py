"""The margin between slots: wider after a 429, narrow again after a quiet while."""

from __future__ import annotations

import datetime

import pytest

from conversion_sync.sync.gate.margin import NARROWEST, QUIET, WIDENING, WIDEST, margin, widened

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def ago(seconds: float) -> datetime.datetime:
    return NOW - datetime.timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("extra", "widened_at", "expected"),
    [
        (0.0, None, 0.0),
        (0.4, None, 0.0),
        (0.4, ago(0), 0.4),
        (0.4, ago(QUIET), 0.2),
        (0.4, ago(2 * QUIET), 0.1),
        (0.4, ago(10 * QUIET), 0.0),
        (0.4, ago(10**9), 0.0),
        (0.4, ago(-1), 0.0),
    ],
)
def test_half_of_what_was_added_goes_with_each_quiet_while(extra, widened_at, expected):
    assert margin(extra, widened_at, NOW) == pytest.approx(NARROWEST + expected)


def test_each_429_widens_it_up_to_the_widest():
    extra, steps = 0.0, list[float]()
    for _ in range(5):
        extra = widened(extra, NOW, NOW)
        steps.append(extra)
    most = WIDEST - NARROWEST
    assert steps == pytest.approx([WIDENING, 3 * WIDENING, most, most, most])
    assert margin(extra, NOW, NOW) == pytest.approx(WIDEST)


def test_after_a_quiet_while_a_429_adds_less_than_right_after_another():
    assert widened(0.3, ago(10 * QUIET), NOW) == pytest.approx(WIDENING)
    assert widened(0.3, ago(QUIET), NOW) == pytest.approx(0.3 + WIDENING)
