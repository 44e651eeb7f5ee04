"""The sweep is scheduled once, however often ``migrate`` runs."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import OperationalError, connections
from django.utils.module_loading import import_string
from django_q.models import Schedule
from django_q.signals import post_spawn

from conversion_sync import queues
from conversion_sync.queues import base
from conversion_sync.queues.django_q import DRAIN, SWEEP, run_drain, schedule_sweep

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def schedules():
    """As after the first ``migrate``, whatever other tests have flushed."""
    Schedule.objects.all().delete()
    schedule_sweep("default")
    return Schedule.objects.filter(name=SWEEP)


def test_the_sweep_is_a_drain_every_minute_for_ever(schedules):
    sweep = schedules.get()
    assert import_string(sweep.func) is run_drain
    assert (sweep.schedule_type, sweep.minutes, sweep.repeats) == (Schedule.MINUTES, 1, -1)
    assert not sweep.args
    assert not sweep.kwargs


def test_the_sweep_is_scheduled_once_after_however_many_migrates(schedules):
    schedules.all().delete()
    for _ in range(3):
        call_command("migrate", verbosity=0)
    assert schedules.count() == 1


def test_what_staff_set_of_the_sweep_is_kept(schedules):
    schedules.update(minutes=5)
    schedule_sweep("default")
    assert schedules.get().minutes == 5


@pytest.mark.parametrize("broken", ["twice", "elsewhere"])
def test_a_sweep_that_is_broken_is_mended(schedules, broken):
    if broken == "twice":
        Schedule.objects.create(name=SWEEP, func=DRAIN, schedule_type=Schedule.MINUTES, minutes=1)
    else:
        schedules.update(func="gone.away", args="(1,)")
    first = schedules.order_by("pk").first()
    schedule_sweep("default")
    sweep = schedules.get()
    assert (sweep.pk, sweep.func, sweep.args) == (first.pk, DRAIN, None)


def test_another_schedule_is_left_alone(schedules):
    Schedule.objects.create(name="mine", func="math.sqrt", schedule_type=Schedule.ONCE)
    schedule_sweep("default")
    assert Schedule.objects.filter(name="mine").exists()


def test_with_another_queue_there_is_no_sweep(schedules, settings):
    settings.CONVERSION_SYNC = {"QUEUE": "none"}
    schedule_sweep("default")
    assert not schedules.exists()


def test_before_the_tables_are_there_nothing_is_scheduled(schedules, monkeypatch):
    schedules.all().delete()
    monkeypatch.setattr(connections["default"].introspection, "table_names", lambda: [])
    schedule_sweep("default")
    assert not schedules.exists()


def test_the_sweep_is_scheduled_after_the_tables_of_both_apps(schedules):
    for label, expected in (("auth", 0), ("django_q", 1), ("conversion_sync", 1)):
        schedules.all().delete()
        queues._schedule(apps.get_app_config(label), using="default")
        assert schedules.count() == expected


def test_a_site_without_django_q_needs_no_sweep(schedules, monkeypatch):
    schedules.all().delete()
    monkeypatch.setattr(base, "_queues", {})
    monkeypatch.setattr(apps, "is_installed", lambda name: False)
    queues.connect()
    queues._schedule(apps.get_app_config("conversion_sync"), using="default")
    assert not schedules.exists()


def test_once_the_apps_tables_are_gone_nothing_is_scheduled(schedules, monkeypatch):
    there = connections["default"].introspection.table_names()
    left = [name for name in there if not name.startswith("conversion_sync_")]
    monkeypatch.setattr(connections["default"].introspection, "table_names", lambda: left)
    schedule_sweep("default")
    assert not schedules.exists()


def test_a_worker_that_begins_sees_that_the_sweep_is_scheduled(schedules, settings):
    schedules.all().delete()
    post_spawn.send(sender="django_q", proc_name="one")
    assert schedules.count() == 1
    settings.CONVERSION_SYNC = {"QUEUE": "none"}
    post_spawn.send(sender="django_q", proc_name="one")
    assert not schedules.exists()


def test_a_worker_begins_where_that_can_not_be_seen_to(schedules, monkeypatch, caplog):
    def gone() -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(connections["default"].introspection, "table_names", gone)
    post_spawn.send(sender="django_q", proc_name="one")
    assert "could not be scheduled" in caplog.text
