"""The verdict for those who pass by: what it reads does not grow with the rows."""

from __future__ import annotations

import datetime
from typing import Any

from django.db.models import IntegerField, QuerySet, Subquery

from conversion_sync.models import Status, SyncedModel
from conversion_sync.models.clock import db_now
from conversion_sync.models.state import BULK, PERSON
from conversion_sync.status.counts import KindState
from conversion_sync.status.estimates import EXACT
from conversion_sync.status.facts import facts
from conversion_sync.status.overview import overview
from conversion_sync.status.verdict import Facts, Verdict, stop, verdict
from conversion_sync.sync.kinds import MODELS

__all__ = ["glance", "stopped_by"]


def glance(using: str) -> Verdict:
    """How the whole stands, without the details: how much of what waits is tried again, say.

    One query for each kind of rows, and some for the rest; none reads more than about ``EXACT``
    rows.
    """
    return verdict(_facts(using))


def stopped_by(using: str) -> Verdict | None:
    """What stops all that is sent; None where it is on its way. As many queries."""
    return stop(_facts(using))


def _facts(using: str) -> Facts:
    now = db_now(using)
    kinds = [_kind(model, using, now) for model in MODELS]
    return facts(overview(using, kinds), using, detailed=False)


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
    ).first()
    wanting, waiting, *oldest = found or (0, 0)
    return KindState(
        name=str(model._meta.model_name),
        singular=str(model._meta.verbose_name),
        label=str(model._meta.verbose_name_plural),
        counts={Status.FAILED: wanting, Status.PENDING: waiting},
        synced_is_exact=False,
        errors=(),
        retrying=0,
        held=0,
        due=0,
        oldest_due=min(filter(None, oldest), default=None),
    )


def _up_to_exact(rows: QuerySet[Any]) -> _UpTo:
    return _UpTo(rows.values("pk")[: EXACT + 1])


def _oldest_due(rows: QuerySet[Any], priority: int, now: datetime.datetime) -> Subquery:
    """Since when the first of this priority is due: the head of an index."""
    due = rows.filter(priority=priority, due_at__lte=now).order_by("due_at")
    return Subquery(due.values("due_at")[:1])
