"""One delivery run alone."""

from __future__ import annotations

from typing import TypeVar

from conversion_sync.sync.deliveries import Delivery
from conversion_sync.sync.loop.loop import Loop
from conversion_sync.sync.loop.running import Running
from conversion_sync.sync.run import Run

__all__ = ["perform"]

T = TypeVar("T")


def perform(run: Run, delivery: Delivery[T]) -> T:
    """Run one delivery alone. Returns its result.

    Raises:
        NoSlot: the gate lets nothing through in the time of the run.
        ConfigurationError: the key or the URL can't be used.
        CallInTransaction: this thread has a transaction open.
        Exception: what the delivery raises.
    """
    loop, running = Loop(run), Running("", delivery)
    try:
        loop.start(running)
        while not running.has_ended:
            pause = loop.serve()
            if not running.has_ended:
                loop.take_in(pause)
    finally:
        loop.close()
    if running.error is not None:
        raise running.error
    result: T = running.result
    return result
