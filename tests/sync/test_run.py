"""What the deliveries of one drain share: its time, and whose fault a fault is."""

from __future__ import annotations

import pytest

from conversion_sync.api import (
    ConversionError,
    NotFound,
    ServerError,
    Unauthorized,
    ValidationFailed,
)
from conversion_sync.api.errors import NoAnswer, RateLimited, Refused
from conversion_sync.models import Contact
from conversion_sync.models.clock import db_now
from conversion_sync.sync.gate import Gate
from conversion_sync.sync.loop import perform
from conversion_sync.sync.run import PROBE, Run
from tests.kit import SECOND, contact, fresh, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(conversion) -> Run:
    return Run("default", 20)


def test_its_time_is_over_or_somebody_stops_it():
    assert not Run("default", 5).is_over()
    assert Run("default", 0).is_over()
    assert Run("default", 5, lambda: True).is_over()


# Whose fault it is


def counts_of(run: Run, row: Contact, error: ConversionError) -> bool:
    return perform(run, run.counts([row], error))


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
    assert counts_of(run, tried(), error) is counts
    assert conversion.calls == []


def test_the_first_fault_is_never_the_rows(conversion, run):
    Gate().report(None)
    assert not counts_of(run, contact(), ServerError())
    assert conversion.calls == []


@pytest.mark.parametrize("error", [ServerError(), NoAnswer(), Refused()])
def test_a_fault_is_the_rows_where_other_calls_succeeded_since(conversion, run, error):
    row = tried()
    Gate().report(None)
    assert counts_of(run, row, error)
    assert conversion.calls == []


@pytest.mark.parametrize(("fault", "counts"), [(None, True), ("500", False), ("400", True)])
def test_where_nothing_else_was_sent_a_harmless_call_tells(conversion, run, fault, counts):
    row = tried()
    if fault:
        conversion.fail(fault)
    assert counts_of(run, row, ServerError()) is counts
    assert [call.keys for call in conversion.calls] == [[PROBE]]


def test_where_the_gate_is_shut_the_fault_is_not_the_rows(conversion, run):
    row = tried()
    Gate().report(RateLimited("no", retry_after=60))
    assert not counts_of(run, row, ServerError())
    assert conversion.calls == []
