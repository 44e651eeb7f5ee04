"""The verdict for those who pass by: what it reads does not grow with the rows."""

from __future__ import annotations

import datetime
from typing import Any

from django.db.models import IntegerField, QuerySet, Subquery

from conversion_sync.models import Status, SyncedModel
from conversion_sync.models.clock import db_now
from conversion_sync.models.state import BULK, PERSON
from conversion_sync.status.counts import Errors, KindState
from conversion_sync.status.errors import needs_a_person
from conversion_sync.status.estimates import EXACT, counts_up_to
from conversion_sync.status.facts import facts
from conversion_sync.status.overview import overview
from conversion_sync.status.verdict import Facts, Verdict, stop, verdict
from conversion_sync.sync.kinds import MODELS
from conversion_sync.sync.readiness import RETRYING

__all__ = ["glance", "stopped_by"]


def glance(using: str) -> Verdict:
    """How the whole stands, without the details: how much of what waits is tried again, say.

    One query for each kind of rows, a few more where rows are tried again, and some for the rest;
    none reads more than about ``EXACT`` rows.
    """
    return verdict(_facts(using))


def stopped_by(using: str) -> Verdict | None:
    """What stops all that is sent; None where it is on its way. As many queries."""
    return stop(_facts(using))


def _facts(using: str) -> Facts:
    now = db_now(using)
    kinds = [_kind(model, using, now) for model in MODELS]
    return facts(overview(using, kinds), using, detailed=False)


#: No more errors of pending rows than that are told from each other.
MOST_ERRORS = 20


class _UpTo(Subquery):
    """How many rows a sliced queryset has."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


def _kind(model: type[SyncedModel], using: str, now: datetime.datetime) -> KindState:
    rows = model.unmarked.using(using).order_by()
    found = rows.values_list(
        _up_to_exact(rows.filter(sync_status__in=(Status.FAILED, Status.UNCONFIRMED))),
        _up_to_exact(rows.filter(sync_status__in=(Status.PENDING, Status.SENDING))),
        *(_oldest_due(rows, priority, now) for priority in (PERSON, BULK)),
        _error_after(rows, ""),
    ).first()
    wanting, waiting, *oldest, error = found or (0, 0, None)
    stuck = _stuck(rows, error)
    return KindState(
        name=str(model._meta.model_name),
        singular=str(model._meta.verbose_name),
        label=str(model._meta.verbose_name_plural),
        counts={Status.FAILED: wanting, Status.PENDING: waiting},
        synced_is_exact=False,
        errors=(),
        retrying=sum(group.count for group in stuck),
        held=0,
        due=0,
        oldest_due=min(filter(None, oldest), default=None),
        stuck=stuck,
    )


def _stuck(rows: QuerySet[Any], error: str | None) -> list[Errors]:
    """Which rows are tried again, and arrive only when a person has acted: no query without errors.

    Args:
        error: the first one that a pending row has; from it to the next is a step of an index.
    """
    codes = list[str]()
    while error and len(codes) < MOST_ERRORS:
        codes.append(error)
        error = rows.values_list(_error_after(rows, error)).first()[0]  # type: ignore[index]  # a row had it
    wanting = [code for code in codes if needs_a_person(code)]
    if not wanting:
        return []
    tried = rows.filter(RETRYING)
    counts = counts_up_to(EXACT, *(tried.filter(last_error_code=code) for code in wanting))
    found = zip(wanting, counts, strict=True)
    return [Errors(Status.PENDING, code, count) for code, count in found if count]


def _error_after(rows: QuerySet[Any], code: str) -> Subquery:
    """The next error, by name, that a pending row has."""
    later = rows.filter(sync_status=Status.PENDING, last_error_code__gt=code)
    return Subquery(later.order_by("last_error_code").values("last_error_code")[:1])


def _up_to_exact(rows: QuerySet[Any]) -> _UpTo:
    return _UpTo(rows.values("pk")[: EXACT + 1])


def _oldest_due(rows: QuerySet[Any], priority: int, now: datetime.datetime) -> Subquery:
    """Since when the first of this priority is due: the head of an index."""
    due = rows.filter(priority=priority, due_at__lte=now).order_by("due_at")
    return Subquery(due.values("due_at")[:1])
