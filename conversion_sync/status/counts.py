"""How many rows of each model stand where: what takes long where a million of them wait."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Min

from conversion_sync.models import Status, SyncedModel
from conversion_sync.models.clock import db_now
from conversion_sync.models.state import BULK, PERSON
from conversion_sync.status.errors import needs_a_person
from conversion_sync.status.estimates import about, table_sizes
from conversion_sync.sync.clock import due_all_the_same
from conversion_sync.sync.kinds import MODELS
from conversion_sync.sync.readiness import FOR_A_PERSON, RETRYING, why

__all__ = ["Errors", "KindState", "count_kinds"]

#: Every status but the one of nearly all rows: named one by one, an index finds them.
_UNSYNCED = tuple(status for status in Status if status != Status.SYNCED)

#: Of a row in one of these, somebody has to decide.
_WANTING = (Status.FAILED, Status.UNCONFIRMED)


@dataclass(frozen=True)
class Errors:
    """Rows in one state with the same error."""

    status: str
    code: str
    count: int


@dataclass(frozen=True)
class KindState:
    """The rows of one model.

    Attributes:
        name: the model's name, such as ``contact``.
        singular: what one of its rows is called; ``label``: several of them.
        counts: rows by status; a status without rows is missing.
        synced_is_exact: False where those that are synced are too many to count: an estimate.
        errors: what failed, is in doubt, or is tried again after an error, by that error.
        retrying: pending rows that were tried in vain since they last changed, and are tried again.
        stuck: which of these arrive only when a person has acted, by their error.
        held: other pending rows, which wait for one that needs a person.
        due: rows whose time has come.
        oldest_due: since when the longest waiting of them is due.
    """

    name: str
    singular: str
    label: str
    counts: Mapping[str, int]
    synced_is_exact: bool
    errors: Sequence[Errors]
    retrying: int
    held: int
    due: int
    oldest_due: datetime.datetime | None
    stuck: Sequence[Errors] = ()

    @property
    def moving(self) -> int:
        """Rows that are on their way: they need no person, and have not been tried in vain."""
        waiting = self.counts.get(Status.PENDING, 0) - self.retrying - self.held
        return waiting + self.counts.get(Status.SENDING, 0)

    def noun(self, count: int) -> str:
        """What so many of the rows are called."""
        return self.singular if count == 1 else self.label


def count_kinds(using: str = "default") -> list[KindState]:
    """Count the rows of each model: what takes long where a million of them wait."""
    now, sizes = db_now(using), table_sizes(MODELS, using)
    groups = {model: _by_error(model.unmarked.using(using).order_by()) for model in MODELS}
    failed = [group for each in groups.values() for group in each if group.status == Status.FAILED]
    return [_kind(model, using, now, sizes[model], groups[model], bool(failed)) for model in MODELS]


def _kind(
    model: type[SyncedModel],
    using: str,
    now: datetime.datetime,
    size: int | None,
    unsynced: Sequence[Errors],
    anything_failed: bool,
) -> KindState:
    rows = model.unmarked.using(using).order_by()
    counts = Counter[str]()
    for group in unsynced:
        counts[group.status] += group.count
    others = counts.total()
    synced = about(rows.filter(sync_status=Status.SYNCED), None if size is None else size - others)
    if synced.number:
        counts[Status.SYNCED.value] = synced.number
    errors = [group for group in unsynced if group.code or group.status in _WANTING]
    retrying = _retrying(rows, errors)
    due, oldest = _due(rows, now)
    if counts[Status.PENDING.value] > due and (far := due_all_the_same(model, using, now)):
        ahead = rows.filter(far, priority__in=(PERSON, BULK)).count()
        due, oldest = due + ahead, oldest or (now if ahead else None)
    return KindState(
        name=str(model._meta.model_name),
        singular=str(model._meta.verbose_name),
        label=str(model._meta.verbose_name_plural),
        counts=dict(counts),
        synced_is_exact=synced.is_exact,
        errors=errors,
        retrying=sum(group.count for group in retrying),
        held=_held(rows, now) if anything_failed and counts[Status.PENDING.value] else 0,
        due=due,
        oldest_due=oldest,
        stuck=[group for group in retrying if needs_a_person(group.code)],
    )


def _by_error(rows: Any) -> list[Errors]:
    """What has not arrived, by state and error; one index holds all that is asked."""
    groups = rows.filter(sync_status__in=_UNSYNCED).values_list("sync_status", "last_error_code")
    return [Errors(*group) for group in groups.annotate(count=Count("*"))]


def _retrying(rows: Any, errors: Sequence[Errors]) -> list[Errors]:
    """Which rows are tried again, by error."""
    if not any(group.status == Status.PENDING for group in errors):
        return []
    groups = rows.filter(RETRYING).values_list("sync_status", "last_error_code")
    return [Errors(*group) for group in groups.annotate(count=Count("*"))]


def _held(rows: Any, now: datetime.datetime) -> int:
    """How many rows wait for a row that failed, and were not tried themselves."""
    waiting = rows.filter(~RETRYING, sync_status=Status.PENDING)
    because = why(rows.model, rows.db, now)
    return int(waiting.alias(why=because).filter(why__in=FOR_A_PERSON).count())


def _due(rows: Any, now: datetime.datetime) -> tuple[int, datetime.datetime | None]:
    """How many rows are due, and since when the first is; the index begins with the priority."""
    due = rows.filter(priority__in=(PERSON, BULK), due_at__lte=now)
    found = due.aggregate(count=Count("*"), oldest=Min("due_at"))
    return found["count"], found["oldest"]
