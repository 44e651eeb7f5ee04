"""Asking the queue for a drain: once for many changes, and never at their cost."""

from __future__ import annotations

import contextlib
import datetime
import logging
from collections.abc import Iterator
from typing import Any

from django.db import DatabaseError, connections, transaction
from django.db.models import Q

from conversion_sync.conf import conf
from conversion_sync.models.clock import DbNow
from conversion_sync.models.wakeup import Wakeup
from conversion_sync.queues.base import queue

__all__ = ["savepoint", "wake"]

logger = logging.getLogger(__name__)

#: For so long a request for a drain stands; then it is taken for lost.
EXPIRES = datetime.timedelta(seconds=60)


def wake(using: str = "default", **kwargs: Any) -> bool:
    """Ask for a drain, unless one was asked for that has not begun. Returns whether it did.

    A queue or a database that is down is logged: the sweep sends what is due.
    """
    if not conf.can_send or conf.queue != "django_q":
        return False
    try:
        with savepoint(using):
            if not _request(using):
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


def _request(using: str) -> bool:
    # One that stands for longer than any can is of a clock that was set back.
    over = Q(requested_until__lt=DbNow()) | Q(requested_until__gt=DbNow() + EXPIRES)
    rows = Wakeup.only(using).filter(Q(requested_until=None) | over)
    if rows.update(requested_until=DbNow() + EXPIRES):
        return True
    if Wakeup.only(using).exists():
        return False
    Wakeup.load(using)
    return bool(rows.update(requested_until=DbNow() + EXPIRES))
