"""A planned drain is asked for at its time, by a thread that sleeps until then.

A drain that waited for the row itself would have the tasks of the site wait behind it, where one
worker does them all, and would be waited for by whoever stops the worker. Nobody waits for this
thread; where its process ends before, the sweep sends the row.
"""

from __future__ import annotations

import logging
import threading

from django.db import DatabaseError, InterfaceError, connections

from conversion_sync.conf import conf
from conversion_sync.queues.wake import wake
from conversion_sync.sync.planning import forget, plan
from conversion_sync.test_runner import is_under_test

__all__ = ["come_back"]

logger = logging.getLogger(__name__)

#: Seconds after its time at which a drain is asked for: the row is due then, by every clock.
AFTER = 0.05


def come_back(using: str) -> None:
    """Ask for a drain when the next row is due, if that is soon and nobody else does.

    Under a test runner nobody does: the thread would find the database of another test.
    """
    if is_under_test() or not conf.can_send:
        return
    try:
        planned = plan(using)
        if planned is None:
            return
        timer = threading.Timer(planned.seconds + AFTER, _ask, [using])
        timer.name, timer.daemon = "conversion-next-drain", True
        try:
            timer.start()
        except RuntimeError:  # the system gives no more threads
            forget(using, planned)
    except (DatabaseError, InterfaceError):
        logger.warning("No drain could be planned; the sweep will do it.", exc_info=True)


def _ask(using: str) -> None:
    try:
        wake(using)
    except InterfaceError:
        logger.warning("No drain could be asked for; the sweep will do it.", exc_info=True)
    finally:
        connections.close_all()
