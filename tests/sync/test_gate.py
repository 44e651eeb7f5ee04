"""Whether, and how fast, the API may be called."""

from __future__ import annotations

import datetime
import itertools
import time
from typing import Any

import pytest

from conversion_sync import signals
from conversion_sync.api.errors import (
    NoAnswer,
    NotFound,
    RateLimited,
    Redirected,
    Refused,
    Unauthorized,
)
from conversion_sync.models import ApiGate
from conversion_sync.models.clock import db_now
from conversion_sync.sync.gate import BREAKER, Gate, Refusal, Slots
from tests.kit import HOUR

pytestmark = pytest.mark.django_db


@pytest.fixture
def gate(settings) -> Gate:
    settings.CONVERSION_SYNC = {"API_KEY": "one", "RATE_LIMIT": 10}
    return Gate()


def take(gate: Gate, count: int = 1, within: float = 1000) -> Slots:
    slots = gate.take(count, within=within)
    assert isinstance(slots, Slots)
    return slots


def reserved(gate: Gate, count: int) -> list[float]:
    """Take slots, and say when they are by the clock of the database: in seconds.

    On the clock of this process they are as much later as the answer of the database took.
    """
    times = take(gate, count).times
    after = ApiGate.load("default").next_slot_at.timestamp()
    interval = (times[-1] - times[0]) / (count - 1)
    return [after - (count - number) * interval for number in range(count)]


def refused(gate: Gate) -> Any:
    refusal = gate.take()
    assert isinstance(refusal, Refusal)
    return refusal.wait


def pass_time(seconds: float) -> None:
    """Move all that the gate waits for into the past."""
    row = ApiGate.load("default")
    by = datetime.timedelta(seconds=seconds)
    for name in ("next_slot_at", "blocked_until"):
        if getattr(row, name):
            ApiGate.write("default", **{name: getattr(row, name) - by})


def fault(gate: Gate, times: int = BREAKER) -> None:
    for _ in range(times):
        gate.report(NoAnswer("no"))


# The rate


@pytest.mark.parametrize("rate", [1, 3.5, 10, 500, 0.5])
def test_no_second_holds_more_slots_than_the_rate(settings, gate, rate):
    settings.CONVERSION_SYNC = {"API_KEY": "one", "RATE_LIMIT": rate}
    # No slot is given further ahead than a drain takes.
    count = max(2, min(20, round(rate * 5)))
    times = [time for _ in range(4) for time in reserved(gate, count)]
    at_most = max(1, int(rate))
    for index, first in enumerate(times[:-at_most]):
        assert times[index + at_most] - first > 1.0


def test_slots_are_handed_out_one_after_the_other_to_all(gate):
    # So many that none of them has passed before the others are taken.
    times = reserved(gate, 20) + reserved(Gate(), 2)
    steps = [b - a for a, b in itertools.pairwise(times)]
    assert all(0.1 < step < 0.15 for step in steps)


def test_a_slot_that_is_too_far_away_is_not_taken(gate):
    began = time.monotonic()
    take(gate, 20)
    assert isinstance(gate.take(within=0.5), Refusal)
    wait = refused(gate)
    assert 2.1 - (time.monotonic() - began) - 0.05 < wait < 2.15
    # Nothing was taken meanwhile.
    assert refused(gate) <= wait


def test_slots_that_nobody_took_are_gone(gate):
    take(gate)
    pass_time(60)
    assert take(gate, 2).times[0] <= time.monotonic()
    assert isinstance(gate.take(within=0), Refusal)


def test_a_slot_that_is_given_back_is_had_by_the_next(settings, gate):
    times = take(gate, 10).times
    assert isinstance(gate.take(within=0.5), Refusal)
    gate.give_back(times[5:])
    assert take(gate, within=0.6).times[0] < times[5] + 0.05


@pytest.mark.parametrize("missed", [range(1), range(1, 3), range(3)])
def test_what_was_missed_is_made_up_for_but_never_more_than_the_rate(gate, missed):
    """A worker was held up when these of five slots came, and gives them back with the next."""
    times = take(gate, 5).times
    unused = [times[number] for number in missed]
    slots = gate.take(25 + len(missed), within=5, unused=unused)
    assert isinstance(slots, Slots)
    # By the clock of the database: that of this process is read a moment later.
    used = sorted(gate._given[t] for t in [*times, *slots.times] if t not in unused)
    assert all(b - a >= 1.0499 for a, b in zip(used, used[10:], strict=False))
    # The last of each ten comes when it would, had they all followed each other evenly.
    first = gate._given[times[0]]
    assert used[-1] - first == pytest.approx(0.105 * 29, abs=0.001)


def test_a_slot_of_another_is_not_given_back(gate):
    times = take(gate, 10).times
    free_at = ApiGate.load("default").next_slot_at
    Gate().give_back(times)
    assert ApiGate.load("default").next_slot_at == free_at


def test_a_slot_is_waited_for_and_may_be_late(monkeypatch):
    now = time.monotonic()
    assert Slots([now - 1]).wait() == 0
    assert Slots([now - 1]).is_late()
    slots = Slots([now + 0.05])
    slots.wait()
    assert time.monotonic() >= now + 0.05
    ahead = Slots([now + HOUR.total_seconds()])
    assert not ahead.is_late()
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    assert ahead.wait() == slept[0] > HOUR.total_seconds() / 2


# 429


def test_the_gate_waits_for_as_long_as_the_api_asks(gate):
    gate.report(RateLimited("no", retry_after=30))
    assert refused(gate) == pytest.approx(30, abs=1)
    assert gate.state().status == "waiting"
    assert gate.state().reason == "RATE_LIMIT_EXCEEDED"
    pass_time(31)
    take(gate)


def test_the_gate_waits_no_longer_than_a_quarter_of_an_hour(gate):
    gate.report(RateLimited("no", retry_after=10**9))
    assert refused(gate) == pytest.approx(900, abs=2)


def test_the_gate_waits_longer_each_time_that_it_is_not_told_for_how_long(gate):
    waits = []
    for _ in range(9):
        gate.report(RateLimited("no"))
        waits.append(refused(gate))
        pass_time(100)
    assert waits == [pytest.approx(wait, abs=1) for wait in (1, 2, 4, 8, 16, 32, 60, 60, 60)]
    gate.report(None)
    gate.report(RateLimited("no"))
    assert refused(gate) == pytest.approx(1, abs=0.5)


def test_a_shorter_wait_does_not_cut_a_longer_one_short(gate):
    gate.report(RateLimited("no", retry_after=60))
    gate.report(RateLimited("no", retry_after=1))
    assert refused(gate) == pytest.approx(60, abs=1)


def test_an_older_call_that_succeeds_does_not_end_the_wait(gate):
    gate.report(RateLimited("no", retry_after=60))
    gate.report(None)
    assert refused(gate) == pytest.approx(60, abs=1)


# 401 and redirects


@pytest.mark.parametrize("error", [Unauthorized("no"), Redirected("no")])
def test_the_gate_is_closed_for_this_key_until_it_changes(gate, settings, error):
    reasons = []

    def hear(reason, **kwargs):
        reasons.append(reason)

    signals.gate_closed.connect(hear)
    try:
        gate.report(error)
    finally:
        signals.gate_closed.disconnect(hear)
    assert reasons == [error.code]
    assert refused(gate) is None
    state = gate.state()
    assert (state.status, state.reason) == ("closed", error.code)
    assert state.since is not None
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "API_KEY": "two"}
    take(gate)
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "API_KEY": "one"}
    assert refused(gate) is None


def test_staff_open_a_gate_that_is_closed(gate):
    gate.report(Unauthorized("no"))
    gate.resume()
    take(gate)
    assert gate.refusal() is None


def test_the_key_is_not_to_be_found_in_the_row(gate):
    gate.report(Unauthorized("no"))
    values = ApiGate.objects.values().get()
    assert "one" not in str(values["closed_for"])
    assert len(values["closed_for"]) == 64


def test_staff_pause_and_resume(gate):
    gate.pause("Eve")
    assert refused(gate) is None
    state = gate.state()
    assert (state.status, state.reason) == ("paused", "Eve")
    assert gate.refusal() == Refusal(None)
    gate.resume()
    assert gate.state().status == "open"


# The breaker


def test_the_breaker_opens_after_so_many_faults_in_a_row(gate):
    fault(gate, BREAKER - 1)
    assert gate.state().status == "open"
    fault(gate, 1)
    assert 0.9 < refused(gate) <= 2
    assert gate.state().reason == "UNREACHABLE"


@pytest.mark.parametrize("error", [None, NotFound("no"), Refused("no", status=403)])
def test_an_answer_of_the_api_ends_the_row_of_faults(gate, error):
    fault(gate, BREAKER - 1)
    gate.report(error)
    fault(gate, BREAKER - 1)
    assert gate.state().status == "open"


@pytest.mark.parametrize(("error", "works"), [(None, True), (Refused("no", status=403), False)])
def test_a_refusal_opens_the_breaker_and_is_no_success(gate, error, works):
    fault(gate)
    before = db_now("default")
    pass_time(2)
    assert take(gate).probe
    gate.report(error)
    assert gate.state().status == "open"
    assert not take(gate).probe
    assert gate.works_since(before) is works


def test_after_its_wait_the_breaker_lets_one_probe_through(gate):
    fault(gate)
    pass_time(2)
    slots = take(gate)
    assert slots.probe
    assert not slots.is_late()
    assert refused(Gate()) > 20  # the others wait for what comes of it
    assert gate.state().reason == "UNREACHABLE"
    gate.report(None)
    assert gate.state().status == "open"
    assert not take(gate).probe


def test_the_breaker_waits_longer_after_each_probe_that_failed(gate):
    fault(gate)
    waits = []
    for _ in range(10):
        waits.append(refused(gate))
        pass_time(1000)
        assert take(gate).probe
        fault(gate, 1)
    for wait, full in zip(waits, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300], strict=True):
        assert full / 2 - 1 < wait <= full


def test_a_probe_that_never_came_back_holds_nobody_for_ever(gate):
    fault(gate)
    pass_time(2)
    assert take(gate).probe
    pass_time(60)
    assert take(gate).probe


def test_faults_of_calls_that_were_on_their_way_do_not_lengthen_the_wait(gate):
    fault(gate, BREAKER + 10)
    assert refused(gate) <= 2


def test_a_429_as_the_answer_to_a_probe_is_obeyed(gate):
    fault(gate)
    pass_time(2)
    assert take(gate).probe
    gate.report(RateLimited("no", retry_after=5))
    assert refused(gate) == pytest.approx(5, abs=1)


def test_whether_the_api_worked_since(gate):
    before = db_now("default") - datetime.timedelta(seconds=1)
    assert not gate.works_since(before)
    gate.report(None)
    assert gate.works_since(before)
    assert not gate.works_since(db_now("default") + datetime.timedelta(seconds=1))


# Few statements


def test_of_successes_in_a_row_one_in_a_moment_is_written(
    gate, monkeypatch, django_assert_num_queries
):
    take(gate)
    gate.report(None)
    with django_assert_num_queries(0):
        gate.report(None)
    monkeypatch.setattr("conversion_sync.sync.gate.gate.SUCCESS_STANDS", 0.0)
    with django_assert_num_queries(1):
        gate.report(None)


def test_a_success_is_written_after_whatever_else_came(gate):
    take(gate)
    gate.report(None)
    fault(gate, BREAKER - 1)
    gate.report(None)
    assert ApiGate.load("default").faults == 0


def test_a_success_is_written_where_others_had_faults_or_a_429(gate):
    take(gate)
    gate.report(None)
    fault(Gate(), BREAKER - 1)
    take(gate)
    gate.report(None)
    assert ApiGate.load("default").faults == 0
    Gate().report(RateLimited("no", retry_after=1))
    pass_time(2)
    take(gate)
    gate.report(None)
    assert ApiGate.load("default").limits == 0


def test_a_gate_that_took_no_slot_writes_every_success(gate, django_assert_num_queries):
    gate.report(None)
    with django_assert_num_queries(1):
        gate.report(None)


def test_slots_are_further_apart_after_a_429_and_not_after_a_quiet_while(gate):
    def step() -> float:
        pass_time(10)
        one, two = reserved(gate, 2)
        return two - one

    before = step()
    Gate().report(RateLimited("no", retry_after=1))
    pass_time(2)
    once = step()
    assert once > before + 0.005
    # Those of calls that were made at once are one.
    Gate().report(RateLimited("no", retry_after=1))
    Gate().report(RateLimited("no", retry_after=1))
    pass_time(2)
    assert step() > once + 0.005
    ApiGate.write("default", widened_at=db_now("default") - HOUR)
    assert step() == pytest.approx(before, abs=0.001)


# The clock of the database is set


class Clocks:
    """The database's clock, and the process's own that runs with it, but is never set."""

    def __init__(self) -> None:
        self.database, self.own = 1_800_000_000.0, 1000.0
        #: Seconds that the database takes to answer, before it reads its clock and afterwards.
        self.slow = (0.0, 0.0)

    def pass_time(self, seconds: float) -> None:
        self.database, self.own = self.database + seconds, self.own + seconds

    def now(self, using: str) -> datetime.datetime:
        self.pass_time(self.slow[0])
        read = datetime.datetime.fromtimestamp(self.database, datetime.UTC)
        self.pass_time(self.slow[1])
        return read

    def monotonic(self) -> float:
        return self.own


@pytest.fixture
def clocks(monkeypatch) -> Clocks:
    made = Clocks()
    monkeypatch.setattr("conversion_sync.sync.gate.gate.db_now", made.now)
    monkeypatch.setattr("conversion_sync.sync.gate.gate.time", made)
    return made


@pytest.mark.parametrize("processes", [1, 3])
@pytest.mark.parametrize("by", [-86_400, -3600, -8, -2, -0.7, 0.7, 2, 30, 3600, 86_400])
def test_where_the_clock_is_set_no_second_holds_more_calls_than_the_rate(
    gate, clocks, by, processes
):
    """Slots that are out are used by the clocks of their processes, wherever the row has them."""
    gates, used = {gate: [0.0]} | {Gate(): [0.0] for _ in range(processes - 1)}, list[float]()
    for number in range(120):
        if number in (33, 77):
            clocks.database += by
        for each, has in gates.items():
            if has[-1] <= clocks.own and isinstance(slots := each.take(5, within=20), Slots):
                has[:] = slots.times
                used += has
        clocks.pass_time(0.25)
    used.sort()
    seconds = [used[n + 10] - used[n] for n in range(len(used) - 10)]
    assert min(seconds) >= 1.0
    # What it costs: some seconds each time.
    assert len(used) > (30 - 2 * 9) * 10 * 0.75


def test_a_clock_that_is_a_little_off_holds_nobody_up(gate, clocks):
    first = take(gate)
    for off in (0.3, -0.3, 0.4):
        clocks.pass_time(1.0)
        clocks.database += off
        assert take(gate).times[0] <= clocks.own + 0.11
    assert first.times[0] == pytest.approx(1000.0, abs=0.11)


@pytest.mark.parametrize("slow", [(3.0, 0.0), (0.0, 3.0), (2.0, 2.0)])
def test_a_database_that_answers_late_has_not_been_set(gate, clocks, slow):
    for each in ((0.0, 0.0), slow, (0.0, 0.0), slow):
        clocks.slow = each
        assert take(gate).times[0] <= clocks.own + 0.11
        clocks.pass_time(1.0)


def test_nor_does_that_hide_that_it_was_set(gate, clocks):
    clocks.slow = (0.3, 0.3)
    take(gate)
    clocks.database += 2.0
    assert take(gate).times[0] >= clocks.own + 6.0
