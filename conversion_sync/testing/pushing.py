"""Sending at once, and waits that are over."""

from __future__ import annotations

import datetime

from django.db.models.functions import Now

from conversion_sync.conf import conf
from conversion_sync.models.database import database
from conversion_sync.sync.drain import DrainReport, drain
from conversion_sync.sync.kinds import MODELS
from conversion_sync.testing.sandboxes import sandbox_in_use

__all__ = ["end_waits", "push"]


def push(seconds: float | None = None, *, using: str | None = None) -> DrainReport:
    """Send all that is ready, and return when nothing is. Returns what the last drain did.

    What has to wait (for its next try, for a worker that stopped) is left: see ``end_waits``.

    Args:
        seconds: no call of a drain begins later than that (default: ``DRAIN_SECONDS``).
        using: the alias of the database (default: as the routers have it).

    Raises:
        CallInTransaction: a transaction is open, other than those of a ``TestCase``.
        RuntimeError: under a test runner no sandbox takes the place of the API.
    """
    if conf.is_held and conf.enabled:
        sandbox_in_use()
    using = using or database()
    report = drain(seconds, using=using)
    while report.go_on:
        report = drain(seconds, using=using)
    return report


def end_waits(*, using: str | None = None) -> None:
    """Let every row's wait for its next try be over, and every lease.

    Args:
        using: the alias of the database (default: as the routers have it).
    """
    using = using or database()
    for model in MODELS:
        waiting = model.unmarked.using(using).filter(due_at__gt=Now())
        waiting.update(due_at=Now() - datetime.timedelta(seconds=1))
