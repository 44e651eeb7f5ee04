"""Asking the queue for a drain: once for many changes, and never at their cost."""

from __future__ import annotations

import logging
from typing import Any

from django.db import DatabaseError

from conversion_sync.conf import conf
from conversion_sync.queues.base import queue
from conversion_sync.queues.request import ask
from conversion_sync.queues.savepoint import savepoint

__all__ = ["wake"]

logger = logging.getLogger(__name__)


def wake(using: str = "default", **kwargs: Any) -> bool:
    """Ask for a drain, unless one was asked for that has not begun. Returns whether it did.

    A queue or a database that is down is logged: the sweep sends what is due.
    """
    if not conf.can_send or conf.queue == "none":
        return False
    try:
        with savepoint(using):
            if not ask(using):
                return False
    except DatabaseError:
        logger.warning("No drain could be asked for; the sweep will do it.", exc_info=True)
        return False
    try:
        return queue(conf.queue).enqueue(using)
    except Exception:  # a site's own may raise whatever it likes: the save has been made
        logger.warning("The queue failed; the sweep will send what is due.", exc_info=True)
        return False
