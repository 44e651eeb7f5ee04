"""Commands that are stopped in order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["on_signal"]


@contextmanager
def on_signal(stop: Callable[[], None]) -> Iterator[None]:
    """The first SIGTERM or SIGINT stops in order; a second one ends the process as usual.

    Only the main thread can hear of them: called on another one, a command is stopped by whoever
    has called it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
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
