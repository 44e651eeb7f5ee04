"""Keeping the call log short."""

from __future__ import annotations

import datetime

from conversion_sync.conf import conf
from conversion_sync.models import ApiCall, Heartbeat
from conversion_sync.models.fields import DbNow, db_now

__all__ = ["prune", "prune_now_and_then"]

CHUNK = 2000
EVERY = datetime.timedelta(hours=1)


def prune(days: float | None = None, using: str = "default", most: int | None = None) -> int:
    """Delete the lines of the call log that are older than ``days``; no row is rewritten.

    Args:
        days: default: ``CALL_LOG_DAYS``.
        most: stop after about so many.

    Returns:
        The number of lines.
    """
    before = db_now(using) - datetime.timedelta(days=conf.call_log_days if days is None else days)
    old, done = ApiCall.objects.using(using).filter(started_at__lt=before).order_by("pk"), 0
    while (most is None or done < most) and (pks := list(old.values_list("pk", flat=True)[:CHUNK])):
        done += ApiCall.objects.using(using).filter(pk__in=pks).delete()[0]
    return done


def prune_now_and_then(using: str = "default") -> int:
    """Prune once an hour, a bounded number of lines; for the sweep."""
    last = Heartbeat.load(using).pruned_at
    if last is not None and db_now(using) - last < EVERY:
        return 0
    Heartbeat.write(using, pruned_at=DbNow())
    return prune(using=using, most=50_000)
