"""Due rows that have to wait: put off, and made due when what they wait for is done.

So a backlog is not looked through again and again. Whatever settles makes due what waited for it.
A worker that is killed before it has done so leaves these rows behind: they are looked at again
after a lease or, where many wait, so that they are looked at rarely, after some leases.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

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
from conversion_sync.models.prepared import finds_any
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
    for rows, pks in zip(waiting, _put_off_of(waiting), strict=True):
        if pks:
            _look_again(rows.model.objects.using(rows.db).filter(pk__in=pks))


@retried
def _put_off_of(waiting: Sequence[SyncedQuerySet]) -> list[list[int]]:
    """The primary keys of those of the rows that were put off, for each of the querysets."""
    found: list[list[int]] = [[] for _ in waiting]
    parts = [
        rows.put_off().order_by().annotate(place=Value(place)).values_list("place", "pk")
        for place, rows in enumerate(waiting)
    ]
    if parts:
        rows = parts[0].union(*parts[1:], all=True) if len(parts) > 1 else parts[0]
        for place, pk in rows:
            found[place].append(pk)
    return found


@retried
def _look_again(rows: SyncedQuerySet) -> None:
    with short_transaction(rows.db):
        locked = locking(rows.order_by("pk"), skip_locked=True).values_list("pk", flat=True)
        rows.filter(pk__in=list(locked)).look_again()


def release_behind(model: type[SyncedModel], using: str, pks: Collection[int]) -> None:
    """Make due what waited for these rows, which were settled or taken away."""
    behind = _BEHIND.get(model)
    if behind and pks and not (behind is _behind_contacts and _nothing_behind(using, pks)):
        release(*behind(using, pks))


@retried
def _nothing_behind(using: str, pks: Collection[int]) -> bool:
    """Whether nothing was put off for these contacts: so it is of nearly every batch of them."""
    return not finds_any(_put_off_behind_contacts, using, pks)


def _put_off_behind_contacts(using: str, pks: Collection[int]) -> QuerySet[Any]:
    first, *others = (
        rows.put_off().order_by().values_list("pk") for rows in _behind_contacts(using, pks)
    )
    return first.union(*others, all=True)


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
    Contact: _behind_contacts,
    SubscriptionChange: _behind_changes,
    Deletion: _behind_deletions,
}
