"""Celery: what is sent, who sweeps, and that a save is made whatever the broker does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery, current_app
from django.core import checks
from django.db import transaction

from conversion_sync.queues import apart
from conversion_sync.queues import celery as celery_queue
from conversion_sync.queues.celery import DRAIN, SWEEP, drain
from tests.kit import ANN, BOB, PROMPT, contact, fresh, push

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def app(conversion, settings) -> Iterator[Any]:
    """The Celery app of a site, with a broker in memory."""
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "QUEUE": "celery"}
    before = current_app._get_current_object()
    made = Celery("site", broker="memory://", fixups=[])
    made.set_current()
    celery_queue._connect()
    yield made
    for thread in apart._threads:
        thread.join(PROMPT)
    made.close()
    before.set_current()


def sent(app: Any, name: str = "celery") -> list[Any]:
    """The messages in a queue, which are taken out."""
    found = []
    with app.connection() as connection, connection.SimpleQueue(name) as queue:
        while queue.qsize():
            found.append(queue.get(block=False))
            found[-1].ack()
    return found


def test_a_save_sends_a_task_that_carries_nothing_and_that_drains(app, conversion):
    contact()
    [message] = sent(app)
    assert message.headers["task"] == DRAIN
    assert message.payload[:2] == [[], {}]
    assert ANN not in repr((message.headers, message.payload))
    assert message.headers["ignore_result"] is True
    assert message.headers["expires"] is not None
    app.tasks[DRAIN]()
    assert list(conversion.contacts) == [ANN]


def test_nothing_is_sent_before_the_commit_and_then_once(app):
    with transaction.atomic():
        contact()
        contact(BOB)
        assert sent(app) == []
    assert len(sent(app)) == 1


def test_a_site_may_name_the_queue(app, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "QUEUE_NAME": "own"}
    contact()
    assert len(sent(app, "own")) == 1
    assert sent(app) == []


@pytest.mark.parametrize("broker", ["closed_port", "silent_port"])
def test_a_broker_that_is_down_does_not_break_a_save_nor_hold_it(app, request, caplog, broker):
    app.conf.broker_url = f"redis://127.0.0.1:{request.getfixturevalue(broker)}/0"
    app.conf.broker_transport_options = {"socket_timeout": 2}
    app.conf.broker_connection_timeout = 2
    began = time.monotonic()
    row = contact()
    assert time.monotonic() - began < PROMPT
    assert fresh(row).sync_status == "PENDING"
    assert "the sweep will send what is due" in caplog.text


def test_where_tasks_run_at_once_it_runs_on_the_connection_of_the_save(app, conversion):
    app.conf.task_always_eager = True
    contact()
    assert list(conversion.contacts) == [ANN]


# Beat


def test_beat_has_the_sweep(app):
    app.finalize()
    entry = app.conf.beat_schedule[SWEEP]
    assert (entry["task"], entry["schedule"]) == (DRAIN, 60.0)
    assert entry["options"]["expires"] == 60.0


def test_an_app_that_was_ready_before_has_it_too(app):
    other = Celery("ready before", broker="memory://", fixups=[])
    other.finalize()
    other.set_current()
    celery_queue._connect()
    assert SWEEP in other.conf.beat_schedule
    other.close()
    app.set_current()


def test_an_entry_of_the_site_takes_its_place(app):
    app.conf.beat_schedule = {"mine": {"task": DRAIN, "schedule": 30.0}}
    app.finalize()
    assert list(app.conf.beat_schedule) == ["mine"]


@pytest.mark.parametrize("setting", [{"SWEEP": "cron"}, {"QUEUE": "none"}])
def test_where_another_sweeps_beat_does_not(app, settings, setting):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, **setting}
    app.finalize()
    assert not app.conf.beat_schedule


# The checks


@pytest.fixture
def found(app, settings, monkeypatch) -> Callable[..., list[str]]:
    """The ids of what the checks find on a site that runs no tests."""
    monkeypatch.setattr("conversion_sync.queues.checks.is_under_test", lambda: False)

    def find(**sync: object) -> list[str]:
        settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, **sync}
        messages = checks.run_checks(tags=["conversion_sync"])
        assert all(message.hint for message in messages)
        return [str(message.id).removeprefix("conversion_sync.") for message in messages]

    return find


def test_a_site_that_is_set_up_well_has_nothing_to_hear(found):
    assert found() == []


def test_w054_nothing_sweeps(app, found):
    app.finalize()
    app.conf.beat_schedule = {}
    assert found() == ["W054"]
    assert found(SWEEP="cron") == []


def test_w055_the_app_of_the_site_is_not_loaded(found, monkeypatch):
    assert found() == []
    fallback = Celery("default", fixups=[])
    fallback.set_current()
    celery_queue._connect()
    assert found() == ["W055"]
    fallback.close()


def test_e052_tasks_that_run_inside_the_save(app, found, monkeypatch):
    app.conf.task_always_eager = True
    assert found() == ["E052"]
    monkeypatch.undo()
    assert found() == []


@pytest.mark.parametrize("name", ["task_time_limit", "task_soft_time_limit"])
def test_e056_a_time_limit_that_cuts_a_drain_off(app, found, name):
    app.conf[name] = 54
    assert found() == ["E056"]
    app.conf[name] = 55
    assert found() == []


def test_the_task_is_not_tried_again_and_keeps_no_result():
    assert drain.ignore_result is True
    assert drain.max_retries == 0


def test_the_next_saves_do_not_wait_for_a_broker_that_failed(app, monkeypatch):
    monkeypatch.setattr(celery_queue, "_send", lambda app: 1 / 0)
    contact()
    monkeypatch.setattr(celery_queue, "enqueue", lambda using: pytest.fail("asked again"))
    contact(BOB)
    push()
