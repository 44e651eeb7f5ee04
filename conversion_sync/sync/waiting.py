"""Due rows that have to wait: put off, and made due when what they wait for is done.

So a backlog is not looked through again and again. Whatever settles makes due what waited for it.
A worker that is killed before it has done so leaves these rows behind: they are looked at again
after a lease or, where many wait, so that they are looked at rarely, after some leases.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from django.db import connections
from django.db.models import Q, QuerySet, Value

from conversion_sync.conf import conf
from conversion_sync.models import (
    Contact,
    Deletion,
    Engagement,
    SubscriptionChange,
    SyncedModel,
)
from conversion_sync.models.among import among
from conversion_sync.models.clock import DbNow, db_now
from conversion_sync.models.locking import locking
from conversion_sync.models.prepared import prepared
from conversion_sync.models.querysets import SyncedQuerySet
from conversion_sync.models.unindexed import unindexed
from conversion_sync.sync.readiness import waits_for
from conversion_sync.sync.retry import retried
from conversion_sync.sync.transactions import short_transaction

__all__ = ["PUT_OFF", "PUT_OFF_TRIED", "put_off", "release", "release_behind"]

#: For so long, at most, a waiting row is not looked at again, unless it is made due.
PUT_OFF = datetime.timedelta(minutes=5)

#: The same for one that was tried: it can't be told from one in backoff, and so is not made due.
PUT_OFF_TRIED = datetime.timedelta(seconds=30)

#: With each so many rows that wait together, they are looked at again one lease later.
CROWD = 50


def put_off(model: type[SyncedModel], using: str, pks: Collection[int]) -> None:
    """Have these due rows, which wait for others, not looked at again for a while."""
    rows: SyncedQuerySet = model.objects.using(using)  # type: ignore[attr-defined]  # each has one
    waiting = _put_off(model.unmarked.using(using), pks)
    # What they wait for may have settled in between, and then did not find them put off.
    release(
        rows.filter(pk__in=waiting).alias(waits_for=waits_for(model, using)).filter(waits_for="")
    )


@retried
def _put_off(rows: QuerySet[Any], pks: Collection[int]) -> list[int]:
    fresh = Q(failing_since__isnull=True, claim__isnull=True)
    with short_transaction(rows.db):
        due = rows.filter(unindexed(Q(due_at__lte=DbNow())), pk__in=pks).order_by("pk")
        locked = list(locking(due, skip_locked=True).values_list("pk", flat=True))
        these, now = rows.filter(pk__in=locked), db_now(rows.db)
        these.filter(~fresh).update(due_at=now + PUT_OFF_TRIED)
        these.filter(fresh).update(due_at=now + _wait_of(len(pks)))
    return locked


def _wait_of(count: int) -> datetime.timedelta:
    """For how long so many rows that wait together are not looked at again."""
    lease = datetime.timedelta(seconds=conf.lease)
    return min(PUT_OFF, lease * (1 + count // CROWD))


def release(*waiting: SyncedQuerySet) -> None:
    """Make due those of the rows that were put off. Who holds one of them is not waited for."""
    if waiting:
        _release(waiting, _found(waiting))


def _release(waiting: Sequence[SyncedQuerySet], found: Iterable[tuple[int, int]]) -> None:
    """Make due the rows that were found: the places of their querysets, and their primary keys."""
    pks = defaultdict[int, list[int]](list)
    for place, pk in found:
        pks[place].append(pk)
    for place, these in pks.items():
        rows = waiting[place]
        _look_again(rows.model.objects.using(rows.db).filter(pk__in=these))


@retried
def _found(waiting: Sequence[SyncedQuerySet]) -> list[tuple[int, int]]:
    return list(_put_off_of(waiting))


def _put_off_of(waiting: Sequence[SyncedQuerySet]) -> QuerySet[Any, Any]:
    """The places and the primary keys of those of the rows that were put off."""
    parts: list[QuerySet[Any, Any]] = [
        rows.put_off().order_by().annotate(place=Value(place)).values_list("place", "pk")
        for place, rows in enumerate(waiting)
    ]
    return parts[0].union(*parts[1:], all=True) if len(parts) > 1 else parts[0]


@retried
def _look_again(rows: SyncedQuerySet) -> None:
    with short_transaction(rows.db):
        locked = locking(rows.order_by("pk"), skip_locked=True).values_list("pk", flat=True)
        rows.filter(pk__in=list(locked)).look_again()


def release_behind(model: type[SyncedModel], using: str, pks: Collection[int]) -> None:
    """Make due what waited for these rows, which were settled or taken away."""
    if pks and model is Contact:
        # So it is after each batch, and there is hardly ever anything.
        _release([*_behind_contacts(using, pks)], _found_behind_contacts(using, pks))
    elif pks and (behind := _BEHIND.get(model)):
        release(*behind(using, pks))


@retried
def _found_behind_contacts(using: str, pks: Collection[int]) -> list[tuple[int, int]]:
    with connections[using].cursor() as cursor:
        cursor.execute(*prepared(_put_off_behind_contacts, using, pks))
        return cast("list[tuple[int, int]]", cursor.fetchall())


def _put_off_behind_contacts(using: str, pks: Collection[int]) -> QuerySet[Any]:
    return _put_off_of([*_behind_contacts(using, pks)])


def _behind_contacts(using: str, pks: Collection[int]) -> Iterator[SyncedQuerySet]:
    yield SubscriptionChange.objects.using(using).filter(among(pks, "contact"))
    yield Engagement.objects.using(using).filter(among(pks, "contact"))


def _behind_changes(using: str, pks: Collection[int]) -> Iterator[SyncedQuerySet]:
    changes = SubscriptionChange.objects.using(using)
    people = list(changes.filter(pk__in=pks).values_list("contact", "address"))
    yield changes.of({contact for contact, _ in people if contact}, {each for _, each in people})


def _behind_deletions(using: str, pks: Collection[int]) -> Iterator[SyncedQuerySet]:
    deletions = Deletion.objects.using(using).filter(pk__in=pks)
    return Deletion.held_up(using, list(deletions.values("kind", "key", "successor_id")))


_BEHIND: Mapping[type[SyncedModel], Callable[[str, Collection[int]], Iterator[SyncedQuerySet]]] = {
    SubscriptionChange: _behind_changes,
    Deletion: _behind_deletions,
}
