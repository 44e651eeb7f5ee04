"""Asking the queue for a drain: once for many changes, and never at their cost."""

from __future__ import annotations

import datetime
import logging
from typing import Any

from django.db import DatabaseError
from django.db.models import Q

from conversion_sync.conf import conf
from conversion_sync.models.fields import DbNow
from conversion_sync.models.operations import Wakeup

__all__ = ["wake"]

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
        if not _request(using):
            return False
    except DatabaseError:
        logger.warning("No drain could be asked for; the sweep will do it.", exc_info=True)
        return False
    from conversion_sync.queues import django_q

    return django_q.enqueue()


def _request(using: str) -> bool:
    rows = Wakeup.only(using).filter(Q(requested_until=None) | Q(requested_until__lt=DbNow()))
    if rows.update(requested_until=DbNow() + EXPIRES):
        return True
    if Wakeup.only(using).exists():
        return False
    Wakeup.load(using)
    return bool(rows.update(requested_until=DbNow() + EXPIRES))
