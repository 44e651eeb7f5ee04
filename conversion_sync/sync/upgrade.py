"""What an upgrade has left to be done to rows: a step of the drain does it, a few at a time.

What was last sent of a record is stored anew, as this release does it, and no row is marked. It
can wait: what earlier releases have stored is read as well. During a rolling deploy their workers
go on storing it; so the rows are looked through again, until a look has found none.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet

from conversion_sync.models import Company, Contact, Record, Upgrade
from conversion_sync.models.by_row import update_by_row
from conversion_sync.models.clock import DbNow
from conversion_sync.models.locking import locking
from conversion_sync.records.last_sent import stored_anew
from conversion_sync.sync.retry import retried
from conversion_sync.sync.transactions import short_transaction

__all__ = ["NAME", "step", "waiting"]

#: What the drain calls the step.
NAME = "upgrade"

#: Whose rows are meant, by the names of what is to be done.
MODELS: Mapping[str, type[Record]] = {"sent companies": Company, "sent contacts": Contact}

#: Rows of one transaction.
ROWS_AT_ONCE = 200

#: Seconds for which one step goes on.
STEP_SECONDS = 0.1

#: Between two looks at all rows.
PAUSE = datetime.timedelta(hours=1)


def waiting(using: str) -> QuerySet[Upgrade]:
    """What is to be done now."""
    ahead = Q(due_at__gt=DbNow()) & Q(due_at__lte=DbNow() + PAUSE)
    return Upgrade.objects.using(using).exclude(ahead)


def step(using: str) -> int:
    """Go on for a moment. Returns the number of rows that were looked at."""
    end, done = time.monotonic() + STEP_SECONDS, 0
    while time.monotonic() < end and (some := _look(using)):
        done += some
    return done


@retried
def _look(using: str) -> int:
    with short_transaction(using):
        rest = locking(waiting(using).order_by("pk"), skip_locked=True).first()
        if rest is None:
            return 0
        rows: Any = MODELS[rest.name].unmarked.using(using).filter(sent_payload__isnull=False)
        following = rows.filter(pk__gt=rest.cursor).order_by("pk")
        sent = dict(following.values_list("pk", "sent_payload")[:ROWS_AT_ONCE])
        if not sent:
            _finish(rest)
            return 1
        old = [pk for pk, payload in sent.items() if stored_anew(payload)]
        if old:
            _store_anew(rows.filter(pk__in=old))
        rest.cursor, rest.found = max(sent), rest.found or bool(old)
        rest.save(using=using)
        return len(sent)


def _store_anew(rows: QuerySet[Any]) -> None:
    """Store what was last sent of these rows as this release does; not of those others hold."""
    locked = locking(rows.order_by("pk"), skip_locked=True).values_list("pk", "sent_payload")
    anew = {pk: made for pk, payload in locked if (made := stored_anew(payload))}
    update_by_row(rows, list(anew), {}, {"sent_payload": anew})


def _finish(rest: Upgrade) -> None:
    if not rest.found:
        rest.delete()
        return
    again = {"cursor": 0, "found": False, "due_at": DbNow() + PAUSE}
    Upgrade.objects.using(rest._state.db).filter(pk=rest.pk).update(**again)
