"""What has anything to do now: one query for all."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.db import connections
from django.db.models import Exists

from conversion_sync.conf import conf
from conversion_sync.models import Heartbeat
from conversion_sync.models.state import BULK, PERSON
from conversion_sync.sync import jobs, renames, steps
from conversion_sync.sync.kinds import KINDS
from conversion_sync.sync.retry import retried
from conversion_sync.sync.turns.names import JOBS, RENAMES

__all__ = ["due"]


@retried
def due(using: str) -> dict[str, list[int]]:
    """What has anything to do now, though it may have to wait: one query.

    Returns:
        The priorities of what is due, by the name of the kind. Companies' names and bulk jobs have
        none: theirs is `BULK`.
    """
    turns, sql, parameters = _due_query(using, conf.lease)
    with connections[using].cursor() as cursor:
        cursor.execute(sql, parameters)
        # Nobody has ever drained: anything may be there.
        flags = cursor.fetchone() or [True] * len(turns)
    found = defaultdict[str, list[int]](list)
    for (name, priority), flag in zip(turns, flags, strict=True):
        if flag:
            found[name].append(priority)
    return found


@functools.cache
def _due_query(using: str, lease: float) -> tuple[Sequence[tuple[str, int]], str, Sequence[Any]]:
    """Names and priorities, and a query with a flag for each.

    Django takes longer to build it than it runs.

    Args:
        lease: the setting, in seconds, that is in the query.
    """
    exists: dict[tuple[str, int], Any] = {
        (kind.name, priority): kind.is_due(using, priority)
        for kind in KINDS
        for priority in (PERSON, BULK)
    }
    exists |= {
        (RENAMES, BULK): Exists(renames.waiting(using)),
        (JOBS, BULK): Exists(jobs.waiting(using)),
    }
    exists |= {(step.name, BULK): Exists(step.waiting(using)) for step in steps.steps()}
    flags = {f"is_{number}": condition for number, condition in enumerate(exists.values())}
    beat = Heartbeat.only(using).annotate(**flags).values_list(*flags)
    sql, parameters = beat.query.get_compiler(using).as_sql()
    return list(exists), sql, parameters
