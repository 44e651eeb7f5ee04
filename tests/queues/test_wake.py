"""Asking for a drain: once for many changes, and never at their cost."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from django_q.conf import Conf
from django_q.models import OrmQ

from conversion_sync.models import Contact, Heartbeat, Wakeup
from conversion_sync.models.clock import db_now
from conversion_sync.queues import base, django_q
from conversion_sync.queues.django_q import run_drain
from conversion_sync.queues.wake import wake
from tests.kit import (
    ANN,
    BOB,
    PROMPT,
    SECOND,
    contact,
    fresh,
    roll_back,
    sent,
)

pytestmark = pytest.mark.django_db(transaction=True)


def queued() -> list[str]:
    """The functions of the tasks that wait."""
    return [task.func() for task in OrmQ.objects.order_by("pk")]


DRAIN = "conversion_sync.queues.django_q.run_drain"


def test_a_save_queues_a_drain_that_carries_nothing(conversion):
    contact()
    [task] = OrmQ.objects.all()
    assert task.func() == DRAIN
    assert (task.task["args"], task.task["kwargs"]) == ((), {})
    assert ANN not in task.payload


def test_a_thousand_saves_in_one_transaction_queue_one_task_and_send_five_requests(conversion):
    with transaction.atomic():
        for number in range(1000):
            Contact(email=f"c{number:04}@x.example").save()
    assert queued() == [DRAIN]
    run_drain()
    assert [len(body["contacts"]) for body in sent(conversion)] == [200] * 5
    assert queued() == [DRAIN]


def test_many_saves_ask_for_one_drain_until_it_begins(conversion):
    for number in range(5):
        contact(f"c{number}@x.example")
    assert queued() == [DRAIN]
    run_drain()
    contact()
    assert queued() == [DRAIN] * 2


def test_a_change_while_a_drain_runs_asks_for_another(conversion, in_flight):
    contact()
    in_flight(lambda: contact(BOB))
    run_drain()
    assert queued() == [DRAIN] * 2


def test_a_request_that_was_lost_expires(conversion):
    contact()
    OrmQ.objects.all().delete()
    contact(BOB)
    assert queued() == []
    Wakeup.write("default", requested_until=db_now("default") - SECOND)
    contact("c@x.example")
    assert queued() == [DRAIN]
    assert Wakeup.objects.filter(requested_until__gt=db_now("default") + 50 * SECOND).exists()


def test_a_change_that_is_rolled_back_asks_for_nothing_and_sends_nothing(conversion):
    roll_back(contact)
    assert queued() == []
    run_drain()
    assert conversion.calls == []


@pytest.mark.parametrize("first", [True, False])
def test_a_savepoint_that_is_rolled_back_does_not_lose_the_wake_of_the_others(conversion, first):
    with transaction.atomic():
        if first:
            roll_back(lambda: contact(BOB))
        contact()
        if not first:
            roll_back(lambda: contact(BOB))
    assert queued() == [DRAIN]
    run_drain()
    assert list(conversion.contacts) == [ANN]


def test_a_drain_that_has_to_go_on_asks_for_another(conversion, settings):
    settings.CONVERSION_SYNC = {
        **settings.CONVERSION_SYNC,
        "BATCH_SIZE": 1,
        # Time for the first of them, on the busiest machine, and for no more than a few.
        "RATE_LIMIT": 1,
        "DRAIN_SECONDS": 4,
    }
    for number in range(10):
        contact(f"c{number}@x.example")
    OrmQ.objects.all().delete()
    run_drain()
    assert queued() == [DRAIN]
    assert Heartbeat.load("default").rows >= 1


def test_a_drain_that_is_done_asks_for_no_other(conversion):
    contact()
    OrmQ.objects.all().delete()
    run_drain()
    assert queued() == []


@pytest.mark.parametrize("setting", [{"ENABLED": False}, {"API_KEY": ""}, {"QUEUE": "none"}])
def test_where_no_drain_would_help_none_is_asked_for(conversion, settings, setting):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, **setting}
    contact()
    assert queued() == []
    assert not Wakeup.objects.exclude(requested_until=None).exists()


# What is down does not break a save, nor hold it for more than a second


@pytest.fixture(params=["django_q.brokers.redis_broker.Redis", "project.broker.BoundedRedis"])
def redis(request, monkeypatch):
    """Have the tasks go to a Redis server at a port."""

    def at(port: int) -> None:
        monkeypatch.setattr(Conf, "ORM", None)
        monkeypatch.setattr(Conf, "BROKER_CLASS", request.param)
        monkeypatch.setattr(Conf, "REDIS", f"redis://127.0.0.1:{port}/0")

    return at


def saved_promptly() -> None:
    began = time.monotonic()
    row = contact()
    assert time.monotonic() - began < PROMPT
    assert fresh(row).due_at <= db_now("default")


def test_a_redis_that_is_stopped_does_not_break_a_save_nor_hold_it(
    conversion, redis, closed_port, caplog
):
    redis(closed_port)
    saved_promptly()
    assert "the sweep will send what is due" in caplog.text


def test_a_redis_that_hangs_does_not_break_a_save_nor_hold_it(
    conversion, redis, silent_port, caplog
):
    redis(silent_port)
    saved_promptly()
    assert "the sweep will send what is due" in caplog.text


def test_after_a_broker_failed_the_next_saves_do_not_wait_for_it(
    conversion, redis, silent_port, monkeypatch
):
    redis(silent_port)
    contact()
    monkeypatch.setattr(django_q, "enqueue", lambda using: pytest.fail("asked again"))
    contact(BOB)


def test_a_task_goes_to_the_broker_that_is_set(conversion, monkeypatch):
    taken = []

    class Broker:
        list_key = "q"

        def enqueue(self, task):
            taken.append(task)

    monkeypatch.setattr(Conf, "ORM", None)
    monkeypatch.setattr("django_q.tasks.get_broker", lambda cluster: Broker())
    assert wake()
    assert len(taken) == 1


@pytest.fixture
def no_wakeup_table() -> Iterator[None]:
    with connection.schema_editor() as editor:
        editor.alter_db_table(Wakeup, "conversion_sync_wakeup", "somewhere_else")
    yield
    with connection.schema_editor() as editor:
        editor.alter_db_table(Wakeup, "somewhere_else", "conversion_sync_wakeup")


def test_a_table_that_can_not_be_written_breaks_no_save(conversion, no_wakeup_table, caplog):
    row = contact()
    assert fresh(row).key == ANN
    assert "the sweep will do it" in caplog.text
    assert queued() == []


@pytest.fixture
def no_queue_table() -> Iterator[None]:
    with connection.schema_editor() as editor:
        editor.alter_db_table(OrmQ, "django_q_ormq", "somewhere_else")
    yield
    with connection.schema_editor() as editor:
        editor.alter_db_table(OrmQ, "somewhere_else", "django_q_ormq")


def test_a_queue_table_that_is_gone_breaks_no_save(conversion, no_queue_table, caplog):
    row = contact()
    assert fresh(row).key == ANN
    assert "The broker is down" in caplog.text


def test_a_queue_table_that_is_gone_breaks_no_transaction(conversion, no_queue_table):
    """As where the callbacks of a commit run while the queue's database is in a transaction."""
    with transaction.atomic():
        contact(BOB)
        assert not wake()
        contact()
    assert Contact.objects.count() == 2


def test_the_row_of_the_wake_is_made_when_it_is_first_needed(conversion):
    Wakeup.objects.all().delete()
    contact()
    assert Wakeup.objects.count() == 1
    assert queued() == [DRAIN]


def test_the_task_prunes_the_call_log_now_and_then(conversion):
    run_drain()
    assert Heartbeat.load("default").pruned_at is not None
    assert django_q.DRAIN == DRAIN


def test_a_save_where_the_queue_is_not_installed_is_made_all_the_same(conversion, monkeypatch):
    monkeypatch.setattr(base, "_queues", {})
    monkeypatch.setattr(apps, "is_installed", lambda name: name != "django_q")
    row = contact()
    assert fresh(row).sync_status == "PENDING"
    with pytest.raises(ImproperlyConfigured, match="django_q is not in INSTALLED_APPS"):
        base.queue("django_q")
