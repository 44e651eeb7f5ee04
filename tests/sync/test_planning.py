"""A drain is planned for when the next row is due: by one worker, and where it helps."""

from __future__ import annotations

from typing import Any

import pytest

from conversion_sync.models import Wakeup
from conversion_sync.models.clock import db_now
from conversion_sync.queues.django_q import run_drain
from conversion_sync.sync.gate import Gate
from conversion_sync.sync.planning import forget, next_due, plan
from conversion_sync.sync.worker import Worker
from tests.kit import ANN, BOB, MINUTE, SECOND, claimed, contact, engagement, fresh, push, write

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def drained(conversion):
    """Somebody has drained before."""
    push()
    return conversion


def retrying(seconds: float, email: str = ANN, **columns: Any) -> Any:
    """A contact that was refused for a while, and is due in so many seconds."""
    row = contact(email)
    now = db_now("default")
    state = {"attempts": 1, "failing_since": now, "last_error_code": "INTERNAL_ERROR"}
    write(row, due_at=now + seconds * SECOND, **state | columns)
    return fresh(row)


def planned() -> Any:
    return Wakeup.load("default").next_drain_at


def test_a_drain_is_planned_for_the_row_that_is_due_next():
    row, _ = retrying(20), retrying(40, BOB)
    found = plan("default")
    assert found is not None
    assert found.at == planned() == row.due_at
    assert 10 < found.seconds <= 20


@pytest.mark.parametrize("priority", [0, 1])
def test_whatever_its_priority(priority):
    row = retrying(20, priority=priority)
    assert next_due("default") == row.due_at


def test_what_is_due_after_the_next_sweep_is_left_to_it():
    retrying(90)
    assert plan("default") is None
    assert planned() is None


def test_what_is_due_now_is_for_the_drain_that_was_asked_for():
    contact()
    assert plan("default") is None


def test_the_end_of_a_lease_is_no_time_to_try():
    claimed(contact(), 20)
    assert plan("default") is None


def test_what_waits_for_another_row_is_not_waited_for():
    who = contact()
    tried = engagement(who)
    write(who, sync_status="FAILED", due_at=None)
    write(tried, due_at=db_now("default") + 20 * SECOND, failing_since=db_now("default"))
    assert plan("default") is None
    ready = retrying(40, BOB)
    assert next_due("default") == ready.due_at


def shut_by_faults() -> None:
    gate = Gate("default")
    gate.close("UNAUTHORIZED")


def block() -> None:
    from conversion_sync.models import ApiGate

    until = db_now("default") + 10 * SECOND
    ApiGate.write("default", blocked_until=until, blocked_reason="UNREACHABLE", faults=5)


@pytest.mark.parametrize("shut", [lambda: Gate("default").pause("anna"), shut_by_faults, block])
def test_where_the_gate_is_shut_nothing_is_planned(shut):
    retrying(20)
    shut()
    assert plan("default") is None
    assert planned() is None


def test_one_worker_plans_the_drain():
    retrying(20)
    assert plan("default") is not None
    assert plan("default") is None


def test_a_row_that_is_due_earlier_is_planned_for_besides():
    retrying(40)
    assert plan("default") is not None
    hardly = retrying(39.5, BOB)
    assert plan("default") is None
    write(hardly, due_at=db_now("default") + 10 * SECOND)
    found = plan("default")
    assert found is not None
    assert found.at == planned() == fresh(hardly).due_at


@pytest.mark.parametrize("stands", [-1 * SECOND, 70 * MINUTE])
def test_a_plan_that_has_passed_or_is_of_a_clock_that_was_set_back_stands_in_no_ones_way(stands):
    Wakeup.write("default", next_drain_at=db_now("default") + stands)
    row = retrying(20)
    found = plan("default")
    assert found is not None
    assert found.at == row.due_at


def test_only_ones_own_plan_is_taken_back():
    retrying(40)
    mine = plan("default")
    assert mine is not None
    retrying(10, BOB)
    other = plan("default")
    assert other is not None
    forget("default", mine)
    assert planned() == other.at
    forget("default", other)
    assert planned() is None


def test_where_nothing_is_due_soon_it_is_one_query(django_assert_num_queries):
    contact()
    push()
    next_due("default")
    with django_assert_num_queries(1):
        assert plan("default") is None


def test_a_worker_of_its_own_plans_and_takes_back_what_it_planned(conversion):
    row = retrying(20)
    seen = []
    worker = Worker("default", poll=0.01)
    stop = worker.stop

    def look(*args: Any) -> bool:
        seen.append(planned())
        stop()
        return True

    worker._stopped.wait = look  # type: ignore[method-assign,assignment]  # between two looks
    worker.run()
    assert seen == [row.due_at]
    assert planned() is None


def test_under_a_test_runner_nobody_comes_back(conversion):
    retrying(20)
    run_drain()
    assert planned() is None
