"""Who hears that a row became due, and runs the drains."""

from __future__ import annotations

import importlib
import logging
from typing import Any

from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError
from django.db.models.signals import post_migrate

from conversion_sync import signals
from conversion_sync.conf import conf
from conversion_sync.queues.base import Queue, queue
from conversion_sync.queues.forks import use_no_inherited_pools
from conversion_sync.queues.wake import wake

__all__ = ["Queue", "connect"]

logger = logging.getLogger(__name__)


def connect() -> None:
    """Listen to changes, and see after each ``migrate`` that the sweep is scheduled."""
    use_no_inherited_pools()
    signals.changed.connect(wake, dispatch_uid="conversion_sync.wake")
    post_migrate.connect(_schedule, dispatch_uid="conversion_sync.schedule")
    if apps.is_installed("django_q"):
        spawned: Any = importlib.import_module("django_q.signals").post_spawn
        spawned.connect(_see_to_sweep, dispatch_uid="conversion_sync.schedule")
    if conf.queue == "celery":
        # Its workers, and its beat, know the tasks that were defined when Django was set up.
        _load("celery")


def _schedule(sender: AppConfig, using: str, **kwargs: Any) -> None:
    # Whichever of the two is migrated last finds the tables of both.
    if sender.label not in ("conversion_sync", "django_q"):
        return
    for name in _those_with_a_schedule():
        found = _load(name)
        if found is not None and hasattr(found, "schedule_sweep"):
            found.schedule_sweep(using)


def _see_to_sweep(**kwargs: Any) -> None:
    """Where a worker of django-q2 begins: ``QUEUE`` may be another one since the last ``migrate``.

    Somebody may have deleted the schedule, too. A worker begins, whatever comes of it.
    """
    found: Any = _load("django_q")
    try:
        if found is not None:
            found.schedule_sweep(found.database_of_schedules())
    except (DatabaseError, InterfaceError):
        logger.warning("The sweep could not be scheduled.", exc_info=True)


def _those_with_a_schedule() -> set[str]:
    """The queue in use; and django-q2, which may still have the sweep of former times."""
    names = {conf.queue} - {"none"}
    return names | {"django_q"} if apps.is_installed("django_q") else names


def _load(name: str) -> Queue | None:
    """The queue, unless it can't be had: the checks say why."""
    try:
        return queue(name)
    except ImproperlyConfigured as error:
        logger.warning("%s", error)
        return None
