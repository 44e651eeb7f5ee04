"""What the channels of one drain share: its time, its slots, its calls."""

from __future__ import annotations

import time

import pytest

from conversion_sync.api import Client, NotFound, ServerError, Unauthorized, ValidationFailed
from conversion_sync.api.errors import NoAnswer, RateLimited, Refused
from conversion_sync.models import ApiCall, ApiGate
from conversion_sync.models.fields import db_now
from conversion_sync.sync.gate import BREAKER, Gate
from conversion_sync.sync.run import PROBE, Run, Shut
from tests.kit import HOUR, SECOND, contact, fresh, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(conversion) -> Run:
    return Run("default", 20)


def ask(client: Client) -> object:
    return client.get_contact("nobody@x.example")


def breaker_opens() -> None:
    ApiGate.write("default", faults=BREAKER, blocked_until=None)


def test_its_time_is_over_or_somebody_stops_it():
    assert not Run("default", 5).is_over()
    assert Run("default", 0).is_over()
    assert Run("default", 5, lambda: True).is_over()


def test_a_call_is_logged_and_the_gate_hears_of_it(conversion, run):
    answer = run.call(ask)
    assert isinstance(answer.error, NotFound)
    assert ApiCall.objects.get().pk == answer.call
    assert ApiGate.load("default").last_ok_at is not None
    assert run.made == 1


def test_a_slot_that_is_reserved_is_used_once(conversion, run):
    run.reserve(2)
    assert run.has_slot()
    run.call(ask)
    assert not run.has_slot()


def test_a_slot_that_is_too_late_is_taken_anew(conversion, run):
    run.reserve()
    run._slots.times = [time.monotonic() - 1]
    assert not run.has_slot()
    run.call(ask)
    assert run.made == 1


def test_calls_at_once_have_a_slot_each(conversion, run, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "RATE_LIMIT": 20}
    began = time.monotonic()
    answers = run.calls([ask] * 3)
    assert time.monotonic() - began > 0.1
    assert len(answers) == len({answer.call for answer in answers}) == 3


def test_a_gate_that_opens_too_late_lets_nothing_through(conversion):
    Gate().report(RateLimited("no", retry_after=30))
    with pytest.raises(Shut) as caught:
        Run("default", 20).call(ask)
    assert 28 < (caught.value.wait or 0) <= 30
    assert conversion.calls == []


def test_a_gate_that_shuts_while_a_slot_is_waited_for_lets_nothing_through(conversion, run):
    ApiGate.write("default", next_slot_at=db_now("default") + 0.7 * SECOND)
    real = Gate.take

    def take(self, *args, **kwargs):
        slots = real(self, *args, **kwargs)
        ApiGate.write("default", blocked_until=db_now("default") + HOUR)
        return slots

    run.gate.take = take.__get__(run.gate)
    with pytest.raises(Shut):
        run.call(ask)
    assert conversion.calls == []


def test_after_an_outage_a_harmless_call_goes_first(conversion, run):
    breaker_opens()
    run.call(ask)
    assert [call.keys for call in conversion.calls] == [[PROBE], ["nobody@x.example"]]
    assert run.made == 2


def test_a_probe_that_fails_shuts_the_gate_again(conversion, run):
    breaker_opens()
    conversion.fail("500")
    with pytest.raises(Shut) as caught:
        run.call(ask)
    assert 0 < (caught.value.wait or 0) <= 2
    assert len(conversion.calls) == 1


def test_a_probe_that_is_refused_for_its_content_shows_that_the_api_works(conversion, run):
    breaker_opens()
    conversion.fail("400", method="GET")
    run.call(ask)
    assert len(conversion.calls) == 2


def test_a_probe_that_says_the_key_is_wrong_closes_the_gate(conversion, run):
    breaker_opens()
    conversion.fail("401")
    with pytest.raises(Shut) as caught:
        run.call(ask)
    assert caught.value.wait is None


# Whose fault it is


def tried(seconds_ago: float = 60):
    row = contact()
    then = db_now("default") - seconds_ago * SECOND
    write(row, last_attempt_at=then, failing_since=then)
    return fresh(row)


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (ValidationFailed(), True),
        (NotFound(), True),
        (RateLimited(), False),
        (Unauthorized(), False),
    ],
)
def test_what_is_plainly_of_the_row_or_of_the_channel(conversion, run, error, counts):
    assert run.counts([tried()], error) is counts
    assert conversion.calls == []


def test_the_first_fault_is_never_the_rows(conversion, run):
    Gate().report(None)
    assert not run.counts([contact()], ServerError())
    assert conversion.calls == []


@pytest.mark.parametrize("error", [ServerError(), NoAnswer(), Refused()])
def test_a_fault_is_the_rows_where_other_calls_succeeded_since(conversion, run, error):
    row = tried()
    Gate().report(None)
    assert run.counts([row], error)
    assert conversion.calls == []


@pytest.mark.parametrize(("fault", "counts"), [(None, True), ("500", False), ("400", True)])
def test_where_nothing_else_was_sent_a_harmless_call_tells(conversion, run, fault, counts):
    row = tried()
    if fault:
        conversion.fail(fault)
    assert run.counts([row], ServerError()) is counts
    assert [call.keys for call in conversion.calls] == [[PROBE]]


def test_where_the_gate_is_shut_the_fault_is_not_the_rows(conversion, run):
    row = tried()
    Gate().report(RateLimited("no", retry_after=60))
    assert not run.counts([row], ServerError())
    assert conversion.calls == []
