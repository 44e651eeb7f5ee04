"""django.tasks, and its backport: what is queued; a save is made whatever the backend does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from django.core import checks
from django.db import transaction
from django.utils.module_loading import import_string
from pytest_django import Settings

from conversion_sync.models import Contact
from conversion_sync.queues import apart, tasks_api
from tests.kit import ANN, BOB, PROMPT, contact, fresh, push
from tests.queues import task_backends

pytestmark = pytest.mark.django_db(transaction=True)

DRAIN = "conversion_sync.queues.django_tasks.drain"

Choose = Callable[..., None]


@pytest.fixture
def queue(conversion, settings: Settings) -> Iterator[Choose]:
    """Have drains be queued by a backend."""

    def choose(backend: str = "default", **more: object) -> None:
        chosen = {"QUEUE": "django_tasks", "TASKS_BACKEND": backend, **more}
        settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, **chosen}

    task_backends.go_on.clear()
    task_backends.queued.clear()
    yield choose
    task_backends.go_on.set()
    for thread in apart._threads:
        thread.join(PROMPT)


def test_a_save_queues_a_drain_that_carries_nothing_and_sends(conversion, queue):
    queue()
    contact()
    assert task_backends.queued == [(DRAIN, "default")]
    import_string(DRAIN).func()
    assert list(conversion.contacts) == [ANN]


def test_many_saves_ask_for_one_drain_until_it_begins(conversion, queue):
    queue()
    with transaction.atomic():
        contact()
        contact(BOB)
    contact("c@x.example")
    assert task_backends.queued == [(DRAIN, "default")]
    import_string(DRAIN).func()
    contact("d@x.example")
    assert len(task_backends.queued) == 2


def test_a_site_may_name_the_queue(queue):
    queue(QUEUE_NAME="own")
    contact()
    assert task_backends.queued == [(DRAIN, "own")]


def test_a_backend_that_closes_connections_closes_none_of_the_site(queue):
    queue("careless")
    Contact.objects.bulk_create(Contact(email=f"c{n}@x.example") for n in range(9))
    push()
    for row in Contact.objects.iterator(chunk_size=1):
        row.first_name = "Renamed"
        row.save()
    assert Contact.objects.filter(first_name="Renamed").count() == 9
    assert task_backends.queued


@pytest.mark.parametrize("backend", ["down", "hanging", "missing"])
def test_a_backend_that_is_down_does_not_break_a_save_nor_hold_it(queue, caplog, backend):
    queue(backend)
    began = time.monotonic()
    row = contact()
    assert time.monotonic() - began < PROMPT
    assert fresh(row).sync_status == "PENDING"
    assert "the sweep will send what is due" in caplog.text


def test_a_backend_that_hangs_for_long_is_not_asked_by_ever_more_threads(queue, monkeypatch):
    queue("hanging")
    monkeypatch.setattr(apart, "BROKER_TIMEOUT", 0.01)
    for number in range(apart.MOST + 3):
        contact(f"c{number}@x.example")
        push()
    assert len([each for each in apart._threads if each.is_alive()]) <= apart.MOST


# The checks


@pytest.fixture
def found(queue, settings: Settings, monkeypatch) -> Callable[..., list[str]]:
    """The ids of what the checks find on a site that runs no tests."""
    monkeypatch.setattr("conversion_sync.queues.checks.is_under_test", lambda: False)

    def find(tasks: dict[str, object] | None = None, backend: str = "default", **more: object):
        queue(backend, **more)
        if tasks is not None:
            settings.TASKS = tasks
        messages = checks.run_checks(tags=["conversion_sync"])
        assert all(message.hint for message in messages)
        return [str(message.id).removeprefix("conversion_sync.") for message in messages]

    return find


def test_w054_nothing_sweeps_until_the_site_says_who_does(found):
    assert found() == ["W054"]
    assert found(SWEEP="cron") == []


@pytest.mark.parametrize("name", ["immediate.ImmediateBackend", "dummy.DummyBackend"])
@pytest.mark.parametrize("module", ["django.tasks", "django_tasks"])
def test_e052_a_backend_without_workers(found, module, name):
    tasks = {"default": {"BACKEND": f"{module}.backends.{name}"}}
    assert found(tasks, SWEEP="cron") == ["E052"]


def test_e052_tests_may_have_such_a_backend(found, monkeypatch):
    monkeypatch.undo()
    tasks = {"default": {"BACKEND": "django.tasks.backends.dummy.DummyBackend"}}
    assert found(tasks, SWEEP="cron") == []


def test_e051_a_backend_that_there_is_not(found):
    assert found(backend="elsewhere") == ["E051"]


@pytest.mark.parametrize("path", ["nowhere.Backend", "tests.queues.task_backends.Gone", "plain"])
def test_e051_a_backend_whose_class_there_is_not(found, path):
    assert found({"default": {"BACKEND": path}}, SWEEP="cron") == ["E051"]


def test_e051_a_backend_whose_app_is_not_installed(found, monkeypatch):
    monkeypatch.setitem(tasks_api.OWN_TABLES, "tests", "Task")
    assert found(SWEEP="cron") == ["E051"]


def test_e053_a_queue_that_the_backend_has_not(found):
    assert found(QUEUE_NAME="elsewhere", SWEEP="cron") == ["E053"]
    assert found({"default": {"BACKEND": "tests.queues.task_backends.Default", "QUEUES": []}}) == []
    assert found({"default": {"BACKEND": "tests.queues.task_backends.Default"}}) == ["E053"]
    assert found(QUEUE_NAME="") == []
