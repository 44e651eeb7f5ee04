"""Asking the queue for a drain: once for many changes, and never at their cost."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from django.db import DatabaseError, connections, transaction

from conversion_sync.conf import conf
from conversion_sync.queues.base import queue
from conversion_sync.queues.request import ask

__all__ = ["savepoint", "wake"]

logger = logging.getLogger(__name__)


def wake(using: str = "default", **kwargs: Any) -> bool:
    """Ask for a drain, unless one was asked for that has not begun. Returns whether it did.

    A queue or a database that is down is logged: the sweep sends what is due.
    """
    if not conf.can_send or conf.queue != "django_q":
        return False
    try:
        with savepoint(using):
            if not ask(using):
                return False
    except DatabaseError:
        logger.warning("No drain could be asked for; the sweep will do it.", exc_info=True)
        return False
    return queue(conf.queue).enqueue(using)


@contextlib.contextmanager
def savepoint(using: str) -> Iterator[None]:
    """What fails in this block leaves a transaction in hand as it was.

    Callbacks of a commit run in autocommit, but in a test, or where another database has a
    transaction of its own.
    """
    if connections[using].in_atomic_block:
        with transaction.atomic(using=using):
            yield
    else:
        yield
