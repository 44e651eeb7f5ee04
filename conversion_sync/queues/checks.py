"""What is wrong with how a site has set up a queue: ``conversion_sync.E050`` and on."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from typing import Any

import django
from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from conversion_sync.conf import conf
from conversion_sync.queues.tasks_api import (
    IN_PROCESS,
    OWN_TABLES,
    backend_of,
    backend_path,
    tasks_module,
)
from conversion_sync.test_runner import is_under_test

__all__ = ["check_celery", "check_django_tasks", "missing", "unusable"]

#: Where the packages of the queues come from.
EXTRAS = {"celery": "celery", "django_tasks": "django-tasks"}

CRON = (
    "run `manage.py conversion_push` every minute by cron or a timer, and say so by "
    "CONVERSION_SYNC['SWEEP'] = 'cron'"
)


def missing(name: str) -> list[CheckMessage]:
    """Whether what one of our own queues needs is not installed."""
    module = tasks_module(django.VERSION) if name == "django_tasks" else name
    if importlib.util.find_spec(module) is not None:
        return []
    extra = EXTRAS[name]
    return [
        Error(
            f"CONVERSION_SYNC['QUEUE'] is {name!r}, and {module} is not installed.",
            hint=f"Install django-conversion-sync[{extra}].",
            id="conversion_sync.E050",
        )
    ]


def unusable(error: ImproperlyConfigured) -> list[CheckMessage]:
    """That the queue can't be had."""
    return [
        Error(
            f"CONVERSION_SYNC['QUEUE']: {error}",
            hint="Name a queue of this app, or a subclass of conversion_sync.queues.Queue.",
            id="conversion_sync.E050",
        )
    ]


def check_django_tasks() -> Sequence[CheckMessage]:
    """What is wrong with ``TASKS``."""
    backend = backend_of(conf.tasks_backend)
    if backend is None:
        return [
            Error(
                f"TASKS has no backend {conf.tasks_backend!r}.",
                hint="Set CONVERSION_SYNC['TASKS_BACKEND'] to one that it has.",
                id="conversion_sync.E051",
            )
        ]
    return [*_in_process(), *_no_such_class(), *_queue_names(backend), *_nothing_sweeps()]


def _in_process() -> Iterator[CheckMessage]:
    path = backend_path(conf.tasks_backend)
    if path in IN_PROCESS and not is_under_test():
        yield Error(
            f"The backend {conf.tasks_backend!r} of TASKS is {path.rpartition('.')[2]}: "
            "drains would run inside the save that asks for them, or never.",
            hint="Take a backend with workers, such as django_tasks_db.DatabaseBackend.",
            id="conversion_sync.E052",
        )


def _no_such_class() -> Iterator[CheckMessage]:
    path = backend_path(conf.tasks_backend)
    if path in IN_PROCESS:
        return
    package = path.partition(".")[0]
    try:
        import_string(path)
    except Exception as error:  # what a package raises where an app of its is not installed
        why = f"can't be imported: {error}"
    else:
        if package not in OWN_TABLES or apps.is_installed(package):
            return
        why = f"needs {package} in INSTALLED_APPS."
    yield Error(
        f"The backend {conf.tasks_backend!r} of TASKS, {path!r}, {why}",
        hint="Correct its BACKEND, or install what it needs: until then only the sweep sends.",
        id="conversion_sync.E051",
    )


def _queue_names(backend: Any) -> Iterator[CheckMessage]:
    names, name = backend.get("QUEUES", ["default"]), conf.queue_name or "default"
    if names and name not in names:
        yield Error(
            f"The backend {conf.tasks_backend!r} of TASKS has no queue {name!r}.",
            hint=f"Set CONVERSION_SYNC['QUEUE_NAME'] to one of its: {', '.join(names)}.",
            id="conversion_sync.E053",
        )


def _nothing_sweeps() -> Iterator[CheckMessage]:
    if conf.sweep == "queue":
        yield Warning(
            "Nothing sweeps: django.tasks has no schedule. What fails would not be tried again "
            "until something is saved.",
            hint=f"Please {CRON}.",
            id="conversion_sync.W054",
        )


def check_celery(app: Any, *, has_sweep: bool) -> Sequence[CheckMessage]:
    """What is wrong with the Celery app that tasks are sent by.

    Args:
        has_sweep: whether the schedule of beat has the sweep.
    """
    found = [*_no_app(app), *_eager(app), *_time_limits(app)]
    if conf.sweep == "queue" and not has_sweep:
        found.append(
            Warning(
                "Nothing sweeps: the schedule of beat has no entry for conversion_sync.drain.",
                hint=f"Add one, or {CRON}.",
                id="conversion_sync.W054",
            )
        )
    return found


def _no_app(app: Any) -> Iterator[CheckMessage]:
    # What Celery falls back to has this name, and would send to a RabbitMQ on this machine.
    if app.main == "default" and not app.conf.broker_url:
        yield Warning(
            "The site's Celery app is not loaded: tasks would go to no broker of the site.",
            hint="Import it in the __init__.py of the project, as Celery's documentation says.",
            id="conversion_sync.W055",
        )


def _eager(app: Any) -> Iterator[CheckMessage]:
    if app.conf.task_always_eager and not is_under_test():
        yield Error(
            "Celery's task_always_eager runs each drain inside the save that asks for it.",
            hint="Leave it out.",
            id="conversion_sync.E052",
        )


def _time_limits(app: Any) -> Iterator[CheckMessage]:
    need = conf.drain_seconds + conf.call_deadline + 5
    for name in ("task_soft_time_limit", "task_time_limit"):
        limit = app.conf[name]
        if limit is not None and limit < need:
            yield Error(
                f"Celery's {name} is {limit:g}; a drain and its last call may take {need:g} s "
                "(DRAIN_SECONDS + CALL_DEADLINE + 5).",
                hint="Make it longer, or DRAIN_SECONDS shorter: a drain that is cut off leaves "
                "rows for a whole lease, and engagements in doubt.",
                id="conversion_sync.E056",
            )
