"""The clock of the database, set back: no wait of ours is believed beyond its own length.

Where a time is read alone (the gate, leases of jobs, the wake), it is compared with the longest
that it can lie ahead. The rows are found by an index of their times: so a drain looks for a sign
that the clock was set back, and then brings back the rows whose time lies further ahead than any
wait of theirs.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterator
from typing import Any

from django.db.models import Q, QuerySet

from conversion_sync.conf import conf
from conversion_sync.models import (
    ApiGate,
    Deletion,
    Heartbeat,
    SyncedModel,
)
from conversion_sync.models.clock import DbNow, db_now
from conversion_sync.models.locking import locking
from conversion_sync.models.state import BULK, PERSON
from conversion_sync.sync.kinds import MODELS
from conversion_sync.sync.mirror_times import bring_back_mirrors
from conversion_sync.sync.retry import retried
from conversion_sync.sync.transactions import short_transaction
from conversion_sync.sync.waiting import PUT_OFF, PUT_OFF_TRIED

__all__ = [
    "bring_back",
    "due_all_the_same",
    "has_run_ahead",
    "rows_are_far_ahead",
    "was_set_back",
]

logger = logging.getLogger(__name__)

#: By so much two looks at the clock may differ without anybody having set it.
JITTER = datetime.timedelta(seconds=1)

ROWS_AT_ONCE, FEW = 1000, 20

#: A backoff is doubled no more often than that.
DOUBLINGS = 40

_FRESH = Q(failing_since__isnull=True, claim__isnull=True)
_TRIED = Q(failing_since__isnull=False, claim__isnull=True)
_CLAIMED = Q(claim__isnull=False)


def has_run_ahead() -> Q:
    """The condition, of a heartbeat: a drain has begun or ended later than now."""
    ahead = DbNow() + JITTER
    began, ended = Q(started_at__gt=ahead), Q(finished_at__gt=ahead)
    return Q(started_at__isnull=False) & began | Q(finished_at__isnull=False) & ended


def was_set_back(using: str) -> bool:
    """Whether a drain has begun or ended later than now."""
    return Heartbeat.only(using).filter(has_run_ahead()).exists()


def rows_are_far_ahead(using: str) -> bool:
    """Whether a row is due later than any wait of it ends. A few rows of each model are read."""
    now = db_now(using)
    return any(_are_far_ahead(model, using, now) for model in MODELS)


def _are_far_ahead(model: type[SyncedModel], using: str, now: datetime.datetime) -> bool:
    return any(
        due_at > now + JITTER + _longest(claimed is not None, since is not None, attempts)
        for priority in (PERSON, BULK)
        for due_at, claimed, since, attempts in _latest(model, using, priority, now)
    )


def due_all_the_same(model: type[SyncedModel], using: str, now: datetime.datetime) -> Q | None:
    """Which rows of the model lie ahead only because the clock was set back; None: no row does.

    The next drain brings them back, and has them due at once.
    """
    if not was_set_back(using) and not _are_far_ahead(model, using, now):
        return None
    return Q(*(far for far, to in _ahead(model, now) if to <= now), _connector=Q.OR)


def bring_back(using: str) -> int:
    """Have what lies further ahead than it can be due now. Returns the number of rows.

    A lease that runs goes on for its whole length at most; a deletion waits for as long, for what
    it deletes may be in flight.
    """
    logger.warning("The clock of the database was set back: waits are brought back.")
    now, count = db_now(using), 0
    for model in MODELS:
        rows: QuerySet[Any] = model.unmarked.using(using).filter(priority__in=(PERSON, BULK))
        count += sum(_bring_back(rows.filter(far), to) for far, to in _ahead(model, now))
    bring_back_mirrors(using)
    _forget_what_is_ahead(using)
    return count


def _latest(
    model: type[SyncedModel], using: str, priority: int, now: datetime.datetime
) -> list[tuple[Any, ...]]:
    rows: QuerySet[Any] = model.unmarked.using(using).filter(priority=priority, due_at__gt=now)
    columns = ("due_at", "claim", "failing_since", "attempts")
    return list(rows.order_by("-due_at").values_list(*columns)[:FEW])


def _longest(is_claimed: bool, is_tried: bool, attempts: int) -> datetime.timedelta:
    """The longest that a row can have to wait."""
    lease = datetime.timedelta(seconds=conf.lease)
    if is_claimed:
        return lease
    return _backoff(attempts) if is_tried else max(PUT_OFF, lease)


def _backoff(attempts: int) -> datetime.timedelta:
    seconds = min(conf.backoff_max, conf.backoff * 2.0 ** min(attempts, DOUBLINGS))
    return max(PUT_OFF_TRIED, datetime.timedelta(seconds=seconds))


def _ahead(
    model: type[SyncedModel], now: datetime.datetime
) -> Iterator[tuple[Q, datetime.datetime]]:
    """Which rows are due later than they can be, and when they are due instead."""
    lease = datetime.timedelta(seconds=conf.lease)
    later = now + lease
    yield _CLAIMED & Q(due_at__gt=later), later
    waits = lease if model is Deletion else datetime.timedelta(0)
    yield _FRESH & Q(due_at__gt=now + waits), now + waits
    attempts = 0
    while _backoff(attempts).total_seconds() < conf.backoff_max and attempts < DOUBLINGS:
        yield _TRIED & Q(attempts=attempts, due_at__gt=now + _backoff(attempts)), now
        attempts += 1
    yield _TRIED & Q(attempts__gte=attempts, due_at__gt=now + _backoff(attempts)), now


def _bring_back(rows: QuerySet[Any], to: datetime.datetime) -> int:
    """Have the rows due at that time; those that somebody holds are left alone."""
    count, last = 0, 0
    following = rows.order_by("pk").values_list("pk", flat=True)
    while pks := list(following.filter(pk__gt=last)[:ROWS_AT_ONCE]):
        count, last = count + _write(rows, pks, to), pks[-1]
    return count


@retried
def _write(rows: QuerySet[Any], pks: list[int], to: datetime.datetime) -> int:
    with short_transaction(rows.db):
        locked = locking(rows.filter(pk__in=pks).order_by("pk"), skip_locked=True)
        mine = list(locked.values_list("pk", flat=True))
        table: QuerySet[Any] = rows.model.unmarked.using(rows.db)
        return table.filter(pk__in=mine).update(due_at=to)


def _forget_what_is_ahead(using: str) -> None:
    """Nothing that has happened lies ahead: when it did, nobody knows."""
    now = db_now(using)
    for model, names in (
        (Heartbeat, ("started_at", "finished_at", "pruned_at")),
        (ApiGate, ("last_ok_at",)),
    ):
        for name in names:
            ahead: QuerySet[Any] = model.only(using).filter(**{f"{name}__gt": now})
            ahead.update(**{name: None})
