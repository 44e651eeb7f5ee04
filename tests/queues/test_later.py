"""Coming back for a row that is due soon; with real clusters, see ``tests/databases``."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django_q.models import OrmQ

from conversion_sync.models import Wakeup
from conversion_sync.models.clock import db_now
from conversion_sync.queues import later
from conversion_sync.queues.django_q import run_drain as drain_task
from conversion_sync.queues.run import run_drain
from tests.kit import SECOND, contact, fresh, write

pytestmark = pytest.mark.django_db(transaction=True)


class Timer:
    """What a timer was asked for; it never runs by itself."""

    asked: list[Timer] = []  # noqa: RUF012  # emptied by the fixture

    def __init__(self, seconds: float, function: Any, args: Any) -> None:
        self.seconds, self.function, self.args = seconds, function, args
        self.daemon = False

    def start(self) -> None:
        self.asked.append(self)


@pytest.fixture
def timers(monkeypatch, conversion) -> list[Timer]:
    """The timers that are started, as they would be in a worker."""
    monkeypatch.setattr(later, "is_under_test", lambda: False)
    monkeypatch.setattr(threading, "Timer", Timer)
    monkeypatch.setattr(Timer, "asked", [])
    return Timer.asked


def retrying() -> Any:
    row = contact()
    now = db_now("default")
    write(row, due_at=now + 20 * SECOND, failing_since=now, last_error_code="INTERNAL_ERROR")
    OrmQ.objects.all().delete()
    Wakeup.write("default", requested_until=None)
    return fresh(row)


def test_a_drain_is_asked_for_when_the_row_is_due(timers):
    row = retrying()
    drain_task()
    [timer] = timers
    assert timer.daemon
    assert 10 < timer.seconds <= 20 + later.AFTER
    assert Wakeup.load("default").next_drain_at == row.due_at
    assert not OrmQ.objects.exists()
    timer.function(*timer.args)
    assert OrmQ.objects.count() == 1


def test_a_second_worker_does_not_come_back_too(timers):
    retrying()
    drain_task()
    drain_task()
    assert len(timers) == 1


def test_a_process_that_ends_with_its_task_does_not_come_back(timers):
    retrying()
    run_drain(lives_on=False)
    assert timers == []
    assert Wakeup.load("default").next_drain_at is None


def test_where_no_thread_can_be_started_nothing_is_planned(timers, monkeypatch):
    def no_more(self: Timer) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Timer, "start", no_more)
    retrying()
    drain_task()
    assert Wakeup.load("default").next_drain_at is None


def test_what_is_switched_off_is_not_come_back_for(timers, settings):
    retrying()
    settings.CONVERSION_SYNC = settings.CONVERSION_SYNC | {"ENABLED": False}
    drain_task()
    assert timers == []
