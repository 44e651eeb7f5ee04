"""Jobs that staff begin and cancel, and the rows that a job is about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.db.models import Max, Q

from conversion_sync.models import BulkJob
from conversion_sync.models.announcement import announce
from conversion_sync.models.clock import DbNow, db_now
from conversion_sync.sync.jobs.actions import concerns
from conversion_sync.sync.jobs.selection import pack, unpack
from conversion_sync.sync.transactions import short_transaction

__all__ = ["cancel", "selected", "start"]


def start(
    action: BulkJob.Action,
    model: type[Any],
    where: Iterable[Q] = (),
    *,
    requested_by: str = "",
    using: str = "default",
    **arguments: Any,
) -> BulkJob:
    """Begin a job over the rows that match now; drains work it off.

    Args:
        where: conditions, applied one after the other; none: all rows.
        arguments: of the action: ``status``, ``reason`` and ``override`` of a subscription, and
            the newest change in the log (``seen``) of which whoever overrides knows; ``push`` of
            a comparison.

    Raises:
        Unsayable: a condition that can't be kept for later.
    """
    conditions = [*where, concerns(action, model, arguments)]
    job = BulkJob(
        action=action,
        model=model._meta.label,
        filter={"and": [pack(condition) for condition in conditions if condition]},
        arguments=arguments,
        requested_by=requested_by,
    )
    rows = selected(job, using)
    job.total = rows.count()
    job.last_pk = rows.aggregate(last=Max("pk"))["last"] or 0
    if not job.total:
        job.finished_at = db_now(using)
    with short_transaction(using):
        job.save(using=using)
        announce(using)
    return job


def cancel(job: BulkJob, using: str = "default") -> None:
    """Leave the rest of the rows alone."""
    unfinished = BulkJob.objects.using(using).filter(pk=job.pk, finished_at=None)
    unfinished.update(cancelled=True, finished_at=DbNow())


def selected(job: BulkJob, using: str = "default") -> Any:
    """The rows of the job that match now."""
    rows: Any = apps.get_model(job.model).objects.using(using)
    for node in job.filter["and"]:
        rows = rows.filter(unpack(node))
    return rows.all()
