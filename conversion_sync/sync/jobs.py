"""Bulk jobs: what is done to many rows, a step at a time, by the drains."""

from __future__ import annotations

import datetime
import logging
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models import F, Max, Q, QuerySet

from conversion_sync.conf import conf
from conversion_sync.models import BulkJob, Subscription, attributed
from conversion_sync.models.base import announce, in_bulk
from conversion_sync.models.fields import DbNow, db_now
from conversion_sync.sync.compare import compare_many
from conversion_sync.sync.run import Run, Shut

__all__ = ["any_waiting", "cancel", "selected", "start", "step"]

logger = logging.getLogger(__name__)

#: Rows in one step of what only writes, and of what asks the API.
STEP, ASKING_STEP = 500, 8

#: So many findings are kept; more are only counted.
FINDINGS = 1000

Rows = Any


def start(
    action: BulkJob.Action,
    model: type[Any],
    selection: dict[str, Any],
    *,
    requested_by: str = "",
    using: str = "default",
    **arguments: Any,
) -> BulkJob:
    """Begin a job over the rows that match now; drains work it off.

    Args:
        selection: ``{"all": {lookup: value, …}, "any": [{lookup: value, …}, …]}``, in JSON.
        arguments: of the action: ``status``, ``reason`` and ``override`` of a subscription,
            ``push`` of a comparison.
    """
    job = BulkJob(
        action=action,
        model=model._meta.label,
        filter=selection,
        arguments=arguments,
        requested_by=requested_by,
    )
    rows = selected(job, using)
    job.total = rows.count()
    job.last_pk = rows.aggregate(last=Max("pk"))["last"] or 0
    if not job.total:
        job.finished_at = db_now(using)
    with transaction.atomic(using=using):
        job.save(using=using)
        announce(using)
    return job


def cancel(job: BulkJob) -> None:
    """Leave the rest of the rows alone."""
    BulkJob.objects.filter(pk=job.pk, finished_at=None).update(cancelled=True, finished_at=DbNow())


def selected(job: BulkJob, using: str = "default") -> Rows:
    """The rows of the job that match now."""
    rows: Rows = apps.get_model(job.model).objects.using(using).filter(**job.filter.get("all", {}))
    any_of = Q()
    for lookups in job.filter.get("any", []):
        any_of |= Q(**lookups)
    return rows.filter(any_of)


def any_waiting(using: str) -> bool:
    """Whether a job has rows left that nobody works on."""
    free = Q(claim=None) | Q(leased_until__lt=DbNow())
    return BulkJob.objects.using(using).filter(free, finished_at=None).exists()


def step(run: Run) -> int:
    """Do one step of the oldest job that nobody works on. Returns the number of rows."""
    job = _claim(run.using)
    if job is None:
        return 0
    try:
        size = ASKING_STEP if job.action == BulkJob.Action.COMPARE else STEP
        rows = selected(job, run.using).filter(pk__gt=job.cursor, pk__lte=job.last_pk)
        pks = list(rows.order_by("pk").values_list("pk", flat=True)[:size])
        return _work(run, job, pks)
    except Shut:
        _held(job, run.using).update(claim=None)
        raise
    except Exception as error:  # the edge of the worker: the job records it
        logger.exception("A bulk job failed.")
        _held(job, run.using).update(error=repr(error), finished_at=DbNow(), claim=None)
        return 0


def _claim(using: str) -> BulkJob | None:
    now = db_now(using)
    free = Q(claim=None) | Q(leased_until__lt=now)
    job = BulkJob.objects.using(using).filter(free, finished_at=None).order_by("pk").first()
    if job is None:
        return None
    token, until = uuid.uuid4(), now + datetime.timedelta(seconds=conf.lease)
    mine = BulkJob.objects.using(using).filter(free, pk=job.pk, finished_at=None)
    if not mine.update(claim=token, leased_until=until):
        return None
    job.claim = token
    return job


def _held(job: BulkJob, using: str) -> QuerySet[BulkJob]:
    return BulkJob.objects.using(using).filter(pk=job.pk, claim=job.claim)


def _work(run: Run, job: BulkJob, pks: Sequence[int]) -> int:
    if not pks:
        _held(job, run.using).update(finished_at=DbNow(), claim=None)
        return 0
    rows = apps.get_model(job.model).objects.using(run.using).filter(pk__in=pks)
    if job.action == BulkJob.Action.COMPARE:
        return _compare(run, job, rows)
    with (
        transaction.atomic(using=run.using),
        attributed(
            requested_by=job.requested_by,
            source="bulk",
            reason=job.arguments.get("reason", ""),
            override=job.arguments.get("override", False),
            bulk=True,
        ),
    ):
        affected = ACTIONS[BulkJob.Action(job.action)](rows, job)
        _advance(job, run.using, pks[-1], len(pks), affected)
    return len(pks)


def _advance(job: BulkJob, using: str, cursor: int, done: int, affected: int) -> None:
    _held(job, using).update(
        cursor=cursor, done=F("done") + done, affected=F("affected") + affected, claim=None
    )


def _compare(run: Run, job: BulkJob, rows: Rows) -> int:
    # The drain serves the channels before each step: nobody waits behind it.
    compared = list(compare_many(rows.order_by("pk"), run, give_way=False))
    if not compared:
        _held(job, run.using).update(claim=None)
        return 0
    found = [
        {
            "pk": each.row.pk,
            "label": str(each.row),
            "error": each.error.code if each.error else "",
            "missing": each.is_missing,
            "opt_out": each.remote_opt_out,
            "fields": [field.name for field in each.fields if field.ours != field.theirs],
        }
        for each in compared
        if each.differs or each.error
    ]
    if job.arguments.get("push"):
        with in_bulk():
            rows.filter(pk__in=[f["pk"] for f in found if not f["error"]]).sync_now()
    if found and len(job.findings) < FINDINGS:
        _held(job, run.using).update(findings=[*job.findings, *found][:FINDINGS])
    _advance(job, run.using, compared[-1].row.pk, len(compared), len(found))
    return len(compared)


def _set_subscription(rows: Any, job: BulkJob) -> int:
    status = Subscription(job.arguments["status"])
    return int(rows.exclude(subscription_status=status).update(subscription_status=status))


ACTIONS: dict[BulkJob.Action, Callable[[Any, BulkJob], int]] = {
    BulkJob.Action.SYNC_NOW: lambda rows, job: rows.sync_now(),
    BulkJob.Action.RETRY_FAILED: lambda rows, job: rows.retry_failed(),
    BulkJob.Action.SET_SUBSCRIPTION: _set_subscription,
    BulkJob.Action.RESEND: lambda rows, job: rows.resend(),
    BulkJob.Action.MARK_AS_SENT: lambda rows, job: rows.mark_as_sent(),
    BulkJob.Action.DISCARD_FAILED: lambda rows, job: rows.discard_failed(),
}
