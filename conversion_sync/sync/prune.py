"""Keeping the call log, and that of the bulk jobs, short."""

from __future__ import annotations

import datetime
from typing import Any

from django.db.models import QuerySet

from conversion_sync.conf import conf
from conversion_sync.models import ApiCall, BulkJob, Heartbeat, MirrorLink
from conversion_sync.models.clock import DbNow, db_now

__all__ = ["prune", "prune_now_and_then"]

ROWS_AT_ONCE = 2000
EVERY = datetime.timedelta(hours=1)

#: So long it is known which sources of mirrors have gone: they are counted for a day.
GONE = datetime.timedelta(days=1)


def prune(days: float | None = None, using: str = "default", most: int | None = None) -> int:
    """Delete the calls and the ended bulk jobs that are older than ``days``; no row is rewritten.

    What is kept of sources that have gone is deleted after a day.

    Args:
        days: default: ``CALL_LOG_DAYS``.
        most: stop after about so many of each.

    Returns:
        The number of calls.
    """
    now = db_now(using)
    gone = MirrorLink.objects.using(using).filter(state=MirrorLink.State.GONE)
    _delete(gone.exclude(left_at__gte=now - GONE), most)
    before = now - datetime.timedelta(days=conf.call_log_days if days is None else days)
    # What a comparison found names people.
    _delete(BulkJob.objects.using(using).filter(finished_at__lt=before), most)
    return _delete(ApiCall.objects.using(using).filter(started_at__lt=before), most)


def _delete(old: QuerySet[Any], most: int | None) -> int:
    done, all_of = 0, old.model._default_manager.using(old.db)
    pks = old.order_by("pk").values_list("pk", flat=True)
    while (most is None or done < most) and (few := list(pks[:ROWS_AT_ONCE])):
        done += all_of.filter(pk__in=few).delete()[0]
    return done


def prune_now_and_then(using: str = "default") -> int:
    """Prune once an hour, a bounded number of lines; for the sweep."""
    last = Heartbeat.load(using).pruned_at
    if last is not None and datetime.timedelta(0) <= db_now(using) - last < EVERY:
        return 0
    Heartbeat.write(using, pruned_at=DbNow())
    return prune(using=using, most=50_000)
