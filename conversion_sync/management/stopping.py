"""Commands that are stopped in order."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["on_signal"]


@contextmanager
def on_signal(stop: Callable[[], None]) -> Iterator[None]:
    """The first SIGTERM or SIGINT stops in order; a second one ends the process as usual."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def heard(_number: int, _frame: object) -> None:
        restore()
        stop()

    for number in numbers:
        signal.signal(number, heard)
    try:
        yield
    finally:
        restore()
