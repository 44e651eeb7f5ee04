"""Django's own ``django.tasks``; on Django 5.2 its backport, ``django_tasks``.

The task carries nothing but the wish for a drain: one that is lost costs one sweep. Whatever
backend the site has among ``TASKS`` runs it: django-tasks-db, RQ, huey and others.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import django
from django.apps import apps
from django.core.checks import CheckMessage
from django.db import connections, router

from conversion_sync.conf import conf
from conversion_sync.queues.apart import apart, tried
from conversion_sync.queues.checks import check_django_tasks
from conversion_sync.queues.run import run_drain
from conversion_sync.queues.savepoint import savepoint
from conversion_sync.queues.tasks_api import IN_PROCESS, OWN_TABLES, backend_path, tasks_module

__all__ = ["check", "drain", "enqueue", "schedule_sweep"]

#: Those that fork a process for each task, by their packages.
FORKING = ("django_tasks_rq.", "django_tasks.backends.rq.")

tasks: Any = importlib.import_module(tasks_module(django.VERSION))


def _options() -> dict[str, str]:
    """Where the task goes: without a name, into the queue that Django names."""
    name = conf.queue_name or tasks.DEFAULT_TASK_QUEUE_NAME
    return {"backend": conf.tasks_backend, "queue_name": name}


@tasks.task(**_options())  # type: ignore[untyped-decorator]  # either of two modules
def drain() -> None:
    """The task: drain, and ask for another drain where there is more to send."""
    run_drain(lives_on=not backend_path(conf.tasks_backend).startswith(FORKING))


def enqueue(using: str = "default") -> bool:
    """Queue a drain. Returns whether the backend took it; one that is down is logged.

    The connections of the thread that calls it stay as they are. A backend whose tasks are rows of
    the database that was just written to takes part in what goes on there; all others are asked in
    a thread of their own, for which a save waits a moment at most.

    Args:
        using: the alias of the database that was just written to.
    """
    if backend_path(conf.tasks_backend) in IN_PROCESS:
        return tried(_put)
    alias = _database_of_tasks()
    if alias is not None and (alias == using or connections[alias].in_atomic_block):
        return tried(lambda: _put_here(alias))
    return apart(_put)


def schedule_sweep(using: str) -> None:
    """Nothing: no backend has a schedule that could be written by all. The checks say so."""


def check() -> Sequence[CheckMessage]:
    """What is wrong with ``TASKS``, and whether anything sweeps."""
    return check_django_tasks()


def _put() -> None:
    drain.using(**_options()).enqueue()


def _put_here(alias: str) -> None:
    with savepoint(alias):
        _put()


def _database_of_tasks() -> str | None:
    """Where the backend has its rows, if its tasks are rows."""
    package = backend_path(conf.tasks_backend).partition(".")[0]
    for app in apps.get_app_configs():
        if app.name == package and package in OWN_TABLES:
            rows: Any = app.get_model(OWN_TABLES[package])
            return router.db_for_write(rows)
    return None
