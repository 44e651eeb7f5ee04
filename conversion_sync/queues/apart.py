"""Queueing in a thread of its own: a broker may hang, and do with its connections what it likes."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Callable

from django.db import connections

__all__ = ["apart", "tried"]

logger = logging.getLogger(__name__)

#: Seconds for which a save waits for a broker that does not answer.
BROKER_TIMEOUT = 0.8

#: Seconds for which a process that ends waits for what it still has to queue: the first task of a
#: command, say, for which Celery is only being imported.
AT_EXIT = 2.0

#: How many such threads there may be: those that hang end when their broker lets them.
MOST = 4

_threads: list[threading.Thread] = []
_lock = threading.Lock()


@atexit.register
def _wait() -> None:
    end = time.monotonic() + AT_EXIT
    with _lock:
        threads = list(_threads)
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))


def apart(enqueue: Callable[[], object]) -> bool:
    """Enqueue in a thread with connections of its own; wait ``BROKER_TIMEOUT`` at most.

    Args:
        enqueue: puts a drain into the queue; what it raises is logged.

    Returns:
        Whether the queue took it in that time.
    """
    taken: list[bool] = []

    def run() -> None:
        try:
            taken.append(tried(enqueue))
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, name="conversion-queue", daemon=True)
    if not _start(thread):
        logger.warning("The broker does not answer; the sweep will send what is due.")
        return False
    thread.join(BROKER_TIMEOUT)
    if not taken:
        logger.warning("The broker did not answer; the sweep will send what is due.")
    return bool(taken and taken[0])


def _start(thread: threading.Thread) -> bool:
    """Start a thread, unless there are too many. Returns whether it was started."""
    with _lock:
        _threads[:] = [each for each in _threads if each.is_alive()]
        if len(_threads) >= MOST:
            return False
        try:
            thread.start()
        except RuntimeError:  # the system gives no more threads
            return False
        _threads.append(thread)
    return True


def tried(enqueue: Callable[[], object]) -> bool:
    """Enqueue in this thread. Returns whether that was done; what it raises is logged."""
    try:
        enqueue()
    except Exception:  # whatever the broker raises, the save has been made
        logger.warning("The broker is down; the sweep will send what is due.", exc_info=True)
        return False
    return True
