"""What ``TASKS`` says, without importing what may not be installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings

__all__ = ["IN_PROCESS", "OWN_TABLES", "backend_of", "backend_path", "tasks_module"]

#: Backends that run a task where it is queued, or never.
IN_PROCESS = frozenset(
    f"{module}.backends.{name}"
    for module in ("django.tasks", "django_tasks")
    for name in ("immediate.ImmediateBackend", "dummy.DummyBackend")
)

#: The backends whose tasks are rows, by their packages, and the models of these.
OWN_TABLES = {"django_tasks_db": "DBTaskResult", "django_ox": "OxTask"}


def tasks_module(version: tuple[Any, ...]) -> str:
    """The module that has the tasks, for a version of Django."""
    return "django.tasks" if version >= (6,) else "django_tasks"


def backend_of(alias: str) -> Mapping[str, Any] | None:
    """What the site says of a backend; None: there is none of this alias.

    Django 5.2 has no default of its own: its backport takes the immediate backend.
    """
    immediate = {"BACKEND": "django_tasks.backends.immediate.ImmediateBackend"}
    configured = getattr(settings, "TASKS", None) or {"default": immediate}
    found: Mapping[str, Any] | None = configured.get(alias)
    return found


def backend_path(alias: str) -> str:
    """The dotted path of a backend; "" if there is none."""
    return str((backend_of(alias) or {}).get("BACKEND", ""))
