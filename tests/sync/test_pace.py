"""How close slots follow each other: never more than the rate; what was missed is made up for."""

from __future__ import annotations

import itertools
import random

import pytest

from conversion_sync.sync.gate import LATE, leeway
from conversion_sync.sync.gate.pace import Pace, pace_of


@pytest.fixture(autouse=True)
def _settings(settings):
    settings.CONVERSION_SYNC = {"API_KEY": "one", "RATE_LIMIT": 10}


def given(pace: Pace, taken: list[float], now: float, count: int) -> list[float]:
    """The next slots."""
    recent = pace.recent(taken, now)
    return [pace.add(recent, now) for _ in range(count)]


def steps(slots: list[float]) -> list[float]:
    return [b - a for a, b in itertools.pairwise(slots)]


@pytest.mark.parametrize("taken", [[], [-100.0], [-1.06]])
def test_after_a_quiet_while_slots_are_even(taken):
    slots = given(pace_of(0.05), taken, 0.0, 25)
    assert slots[0] == 0.0
    assert steps(slots) == pytest.approx([0.105] * 24)


def test_where_some_were_missed_the_next_ones_are_closer_until_they_are_made_up_for():
    pace = pace_of(0.05)
    taken = given(pace, [], 0.0, 10)
    # The next three would have begun at 1.05, 1.155 and 1.26.
    slots = given(pace, taken, 1.35, 10)
    assert steps(slots)[:4] == pytest.approx([0.0525] * 4)
    assert steps(slots)[-3:] == pytest.approx([0.105] * 3)


def test_after_a_429_nothing_is_made_up_for():
    pace = pace_of(0.15, evenly=True)
    taken = given(pace, [], 0.0, 10)
    assert steps(given(pace, taken, 1.5, 10)) == pytest.approx([0.115] * 9)


@pytest.mark.parametrize("rate", [0.5, 1, 1.5, 2.5, 3.5, 10, 50, 51, 500])
def test_whatever_is_missed_no_second_holds_more_than_the_rate(settings, rate):
    settings.CONVERSION_SYNC = {"API_KEY": "one", "RATE_LIMIT": rate}
    pace, dice = pace_of(0.05), random.Random(7)
    begun, now = list[float](), 0.0
    for _ in range(600):
        now += dice.choice([0.0, 0.0, 0.0, 0.3, 2.0]) / rate
        width = dice.choice([0.0, 0.0, 0.2 / rate])
        slot = pace.add(pace.recent(begun, now), now, width)
        # Given back, or used as late as may be: whether it lies ahead or has passed.
        if dice.random() < 0.9:
            begun.append(slot + width)
        elif dice.random() < 0.5:
            begun.pop(dice.randrange(-2, 0))
    begun.sort()
    at_most = max(1, int(rate))
    for first, last in zip(begun, begun[at_most:], strict=False):
        assert last - first >= max(1.0, 1 / rate) * 1.05 - 1e-4


def test_at_a_high_rate_the_margin_leaves_room_for_calls_that_are_late(settings):
    settings.CONVERSION_SYNC = {"API_KEY": "one", "RATE_LIMIT": 100}
    slots = given(pace_of(0.05), [], 0.0, 101)
    assert slots[-1] - slots[0] > 1.0 + LATE + leeway()


def test_in_place_of_one_that_was_missed_another_fits_between_those_of_others():
    """Other workers have the slots of the second that comes."""
    pace = pace_of(0.05)
    taken = given(pace, [], 0.0, 10)
    taken.remove(taken[2])
    slot = pace.add(pace.recent(taken, 0.24), 0.24)
    assert 0.24 <= slot < 0.24 + 0.105
    # Where none was missed, there is no room.
    taken = given(pace, [], 0.0, 10)
    assert pace.add(pace.recent(taken, 0.24), 0.24) == pytest.approx(1.05)
