"""Backends of django.tasks as sites may have them, good and bad; the settings name them."""

from __future__ import annotations

import importlib
import threading
from typing import Any

import django
from django import db
from django.db import connections

from conversion_sync.queues.tasks_api import tasks_module

BaseTaskBackend: Any = importlib.import_module(
    f"{tasks_module(django.VERSION)}.backends.base"
).BaseTaskBackend

#: The paths of the tasks that were queued, and their queues.
queued: list[tuple[str, str]] = []

#: Set: the server that hangs answers at last.
go_on = threading.Event()


class Default(BaseTaskBackend):  # type: ignore[misc]  # of either of two modules
    """Keeps what is queued."""

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> None:
        assert (args, kwargs) == ((), {})
        queued.append((task.module_path, task.queue_name))


class Careless(Default):
    """Closes whatever connection it can reach."""

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> None:
        db.close_old_connections()
        connections.close_all()
        super().enqueue(task, args, kwargs)


class Down(Default):
    """Has no server."""

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> None:
        raise ConnectionRefusedError("nobody listens")


class Hanging(Default):
    """Its server does not answer."""

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> None:
        go_on.wait(60)
