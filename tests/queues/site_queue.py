"""A queue of a site's own."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.checks import CheckMessage, Warning

from conversion_sync.queues import Queue

asked: list[str] = []
scheduled: list[str] = []


class Own(Queue):
    """Keeps what was asked for."""

    def enqueue(self, using: str) -> bool:
        asked.append(using)
        return True

    def schedule_sweep(self, using: str) -> None:
        scheduled.append(using)

    def check(self) -> Sequence[CheckMessage]:
        return [Warning("Mind the gap.", hint="Mind it.", id="site.W001")]


class Least(Queue):
    """What a queue must have, and no more; it is out of order."""

    def enqueue(self, using: str) -> bool:
        raise RuntimeError("out of order")


made = Own()
