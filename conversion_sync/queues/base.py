"""What a queue must do, and which queues this site has."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from django.core.exceptions import ImproperlyConfigured

__all__ = ["Queue", "queue", "queues", "register"]


class Queue(Protocol):
    """What asks workers for drains."""

    def enqueue(self, using: str) -> bool:
        """Queue a drain; a queue that is down is logged, and raises nothing.

        Args:
            using: the alias of the database that was just written to.

        Returns:
            Whether the queue took it.
        """

    def schedule_sweep(self, using: str) -> None:
        """See that the sweep is scheduled in the database ``using``, if this queue is in use."""


_queues: dict[str, Queue] = {}


def register(name: str, queue: Queue) -> None:
    """Have the setting ``QUEUE`` choose this queue by ``name``."""
    _queues[name] = queue


def queues() -> Collection[Queue]:
    """All queues that this site has, in use or not."""
    return _queues.values()


def queue(name: str) -> Queue:
    """The queue of this name.

    Raises:
        ImproperlyConfigured: its app is not installed.
    """
    try:
        return _queues[name]
    except KeyError:
        raise ImproperlyConfigured(f"{name} is not in INSTALLED_APPS.") from None
