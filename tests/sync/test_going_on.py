"""A drain whose time is over while more is ready: nobody waits for its last answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from conversion_sync.models import ChannelState, Company, Contact, Heartbeat, Status, Wakeup
from conversion_sync.models.clock import db_now
from conversion_sync.queues import run as queue_run
from conversion_sync.queues.run import run_drain
from conversion_sync.sandbox import Sandbox
from conversion_sync.sync.drain import DrainReport, drain
from conversion_sync.sync.run import Run
from conversion_sync.sync.worker import push
from tests.kit import MINUTE, PROMPT, SECOND, company, contact

pytestmark = pytest.mark.django_db

#: Contacts that wait; a drain has time for three of them.
COUNT = 9


@pytest.fixture(autouse=True)
def short(conversion: Sandbox, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have time pass with the answers, of which each is one row's."""
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "BATCH_SIZE": 1, "CONCURRENCY": 3}
    monkeypatch.setattr(Run, "time_left", lambda run: 3.0 - (run.made - run.made_before))
    for number in range(COUNT):
        contact(f"c{number}@x.example")


@pytest.fixture
def released(conversion: Sandbox) -> Iterator[threading.Event]:
    """The first call is not answered before this is set; whether it was in time is kept."""
    event = threading.Event()
    conversion.before(lambda request: event.wait(PROMPT / 2), count=1)
    yield event
    event.set()


def arrived() -> int:
    return int(Contact.objects.filter(sync_status=Status.SYNCED).count())


def test_a_worker_goes_on_while_answers_are_awaited(conversion, released):
    def begin_anew() -> bool:
        # The first call has not been answered, and more than one drain has time for have been.
        if len(conversion.calls) >= 2 * 3:
            released.set()
        return True

    report = drain(before_end=begin_anew)
    assert released.is_set()
    assert (report.synced, report.calls, report.go_on) == (COUNT, COUNT, False)


def test_a_push_sends_all(conversion):
    assert push().synced == COUNT


def test_it_leaves_a_heartbeat_each_time(conversion, monkeypatch):
    real, written = Heartbeat.write, list[dict[str, Any]]()

    def write(using: str, **columns: Any) -> None:
        written.append(columns)
        real(using, **columns)

    monkeypatch.setattr(Heartbeat, "write", write)
    monkeypatch.setattr("conversion_sync.sync.worker.prune_now_and_then", lambda using: 0)
    push()
    begun = ["started_at" in columns for columns in written]
    assert begun == [True, False] * (len(begun) // 2)
    rows = [columns["rows"] for columns in written if "finished_at" in columns]
    assert len(rows) > 2
    assert sum(rows) == COUNT
    assert max(rows) <= 3


def test_it_takes_the_request_off_each_time(conversion):
    def begin_anew() -> bool:
        Wakeup.write("default", requested_until=db_now("default") + MINUTE)
        return True

    drain(before_end=begin_anew)
    assert Wakeup.load("default").requested_until is None


def test_it_hears_of_an_endpoint_that_failed_elsewhere(conversion):
    """What another process found out holds from the next heartbeat on."""

    def begin_anew() -> bool:
        if not ChannelState.objects.exists():
            now = db_now("default")
            states = {"timed_out_at": now, "trial_until": now + 30 * SECOND}
            ChannelState.objects.create(name="company", **states)
            company()
        return True

    drain(before_end=begin_anew)
    assert arrived() == COUNT
    assert Company.objects.get().sync_status == Status.PENDING


def test_it_ends_when_it_is_told_to(conversion):
    begun = []

    def begin_anew() -> bool:
        begun.append(len(conversion.calls))
        return True

    drain(before_end=begin_anew, stop=lambda: len(conversion.calls) >= 5)
    assert begun
    assert 5 <= len(conversion.calls) <= 5 + 3
    assert arrived() == len(conversion.calls)


def test_it_does_not_begin_anew_where_nothing_is_left(conversion):
    Contact.objects.filter(key__gt="c1@x.example").delete()
    begun = []

    def begin_anew() -> bool:
        begun.append(arrived())
        return True

    drain(before_end=begin_anew)
    assert arrived() == 2
    assert begun == []


def test_a_task_asks_for_another_while_answers_are_awaited(conversion, released, monkeypatch):
    asked = []

    def wake(using: str) -> bool:
        asked.append(released.is_set())
        released.set()
        return True

    monkeypatch.setattr(queue_run, "wake", wake)
    run_drain()
    assert asked[0] is False
    assert arrived() < COUNT


def test_where_a_queue_runs_its_tasks_in_place_the_drain_itself_goes_on(conversion, monkeypatch):
    """Not another one inside of it, while its answers wait."""
    drains = []

    def counted(**options: Any) -> DrainReport:
        drains.append(drain(**options))
        return drains[-1]

    monkeypatch.setattr(queue_run, "wake", lambda using: run_drain())
    monkeypatch.setattr(queue_run, "drain", counted)
    run_drain()
    assert len(drains) == 1
    assert arrived() == COUNT


@pytest.mark.parametrize(
    ("finished", "go_on"), [(None, False), (-1, False), (1, True)], ids=["first", "runs", "ended"]
)
def test_it_asks_again_at_its_end_unless_the_other_drain_runs(conversion, finished, go_on):
    def ask() -> bool:
        now = db_now("default")
        at = None if finished is None else now + finished * SECOND
        Heartbeat.write("default", worker="elsewhere:1", started_at=now, finished_at=at)
        return False

    report = drain(before_end=ask)
    assert arrived() < COUNT
    assert report.go_on is go_on
