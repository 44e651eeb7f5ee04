"""What a queue must do, and which one the site has chosen."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

from django.apps import apps
from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from conversion_sync.conf import conf

__all__ = ["Queue", "queue", "queue_in_use"]


class Queue(Protocol):
    """What asks workers for drains. A site's own is a subclass, named by ``QUEUE``.

    What its workers run is ``conversion_sync.queues.run.run_drain``.
    """

    def enqueue(self, using: str) -> bool:
        """Queue a drain. What it raises is logged, and the sweep does the work.

        It is called in the thread of a save, after its commit, with the site's connections open:
        what may wait for a network belongs into ``conversion_sync.queues.apart``.

        Args:
            using: the alias of the database that was just written to.

        Returns:
            Whether the queue took it.
        """
        ...

    def schedule_sweep(self, using: str) -> None:
        """See that a drain is scheduled each minute, or that none is where none is wanted.

        It is called after each ``migrate``, with the alias of its database.
        """

    def check(self) -> Sequence[CheckMessage]:
        """What is wrong with how the site has set it up; for Django's system checks."""
        return ()


#: The modules of those that this app comes with: what they need may not be installed.
MODULES: Mapping[str, str] = {
    "django_q": "conversion_sync.queues.django_q",
    "django_tasks": "conversion_sync.queues.django_tasks",
    "celery": "conversion_sync.queues.celery",
}

_queues: dict[str, Queue] = {}


def queue(name: str) -> Queue:
    """The queue of this name, or at this dotted path.

    Raises:
        ImproperlyConfigured: it is not installed, or there is none.
    """
    if name not in _queues:
        _queues[name] = _load(name)
    return _queues[name]


def queue_in_use() -> Queue | None:
    """The queue that ``QUEUE`` names; None for ``"none"``.

    Raises:
        ImproperlyConfigured: it is not installed, or there is none.
    """
    return None if conf.queue == "none" else queue(conf.queue)


def _load(name: str) -> Queue:
    if name == "django_q" and not apps.is_installed("django_q"):
        raise ImproperlyConfigured("django_q is not in INSTALLED_APPS.")
    try:
        found: Any = importlib.import_module(MODULES[name]) if name in MODULES else _own(name)
    except ImportError as error:
        raise ImproperlyConfigured(f"The queue {name!r} can't be imported: {error}") from error
    if not callable(getattr(found, "enqueue", None)):
        raise ImproperlyConfigured(f"{name!r} is no queue: it has no method “enqueue”.")
    return cast(Queue, found)


def _own(path: str) -> Any:
    found = import_string(path)
    return found() if isinstance(found, type) else found
