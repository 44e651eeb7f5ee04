"""What a test has happen in the middle of a request."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conversion_sync.sandbox.faults import Fault, Request

__all__ = ["Hook", "Hooks"]


@dataclass
class Hook:
    """A function to call in a request's thread, before its work or before its answer."""

    moment: str
    call: Callable[[Request], Any]
    method: str | None = None
    path: str | None = None
    when: Callable[[Any], bool] | None = None
    count: int | None = 1


class Hooks:
    """The hooks that wait for their requests. Safe to share among threads."""

    def __init__(self) -> None:
        self._waiting: list[Hook] = []
        self._lock = threading.Lock()

    def add(self, hook: Hook) -> None:
        """Append a hook."""
        with self._lock:
            self._waiting.append(hook)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._waiting.clear()

    def run(self, moment: str, request: Request) -> None:
        """Call the hooks that fit, each counted down."""
        for hook in self._take(moment, request):
            hook.call(request)

    def _take(self, moment: str, request: Request) -> list[Hook]:
        with self._lock:
            due = []
            for hook in list(self._waiting):
                filter = Fault("status", method=hook.method, path=hook.path, when=hook.when)
                if hook.moment != moment or not filter.fits(request):
                    continue
                due.append(hook)
                if hook.count is not None:
                    hook.count -= 1
                    if hook.count <= 0:
                        self._waiting.remove(hook)
            return due
