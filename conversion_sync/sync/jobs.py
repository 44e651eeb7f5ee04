"""Bulk jobs: what is done to many rows, a step at a time, by the drains."""

from __future__ import annotations

import datetime
import logging
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import takewhile
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models import F, Max, Q, QuerySet

from conversion_sync.conf import conf
from conversion_sync.models import BulkJob, Status, Subscription, attributed
from conversion_sync.models.announcement import announce
from conversion_sync.models.clock import DbNow, db_now
from conversion_sync.models.locking import locking
from conversion_sync.models.record import Record
from conversion_sync.sync.compare import Comparison, State, comparisons
from conversion_sync.sync.consent.opted_out import opted_out
from conversion_sync.sync.deliveries import Delivery, Shut
from conversion_sync.sync.error_text import in_words
from conversion_sync.sync.retry import retried
from conversion_sync.sync.run import Run
from conversion_sync.sync.selection import pack, unpack
from conversion_sync.sync.transactions import short_transaction

__all__ = ["act", "cancel", "concerns", "deliver", "selected", "start", "waiting"]

logger = logging.getLogger(__name__)

#: Rows in one step of what only writes, and of what asks the API.
STEP, ASKING_STEP = 500, 8

#: Seconds for which steps that only write follow one another.
MOMENT = 0.1

#: So many findings are kept, opt-outs before others; more are only counted.
FINDINGS = 1000

#: So much is kept of why a row could not be compared.
MESSAGE = 200

Action = BulkJob.Action
Rows = Any


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
        arguments: of the action: ``status``, ``reason`` and ``override`` of a subscription,
            ``push`` of a comparison.

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


def selected(job: BulkJob, using: str = "default") -> Rows:
    """The rows of the job that match now."""
    rows: Rows = apps.get_model(job.model).objects.using(using)
    for node in job.filter["and"]:
        rows = rows.filter(unpack(node))
    return rows.all()


def concerns(action: BulkJob.Action, model: type[Any], arguments: Mapping[str, Any]) -> Q:
    """The rows of the model to which the action does anything."""
    match action:
        case Action.RETRY_FAILED | Action.DISCARD_FAILED:
            return Q(sync_status=Status.FAILED)
        case Action.RESEND | Action.MARK_AS_SENT:
            return Q(sync_status=Status.UNCONFIRMED)
        case Action.SYNC_NOW if not issubclass(model, Record):
            return Q(sync_status__in=(Status.PENDING, Status.SENDING, Status.FAILED))
        case Action.SET_SUBSCRIPTION:
            return ~Q(subscription_status=arguments["status"])
        case _:
            return Q()


def act(action: BulkJob.Action, rows: Rows, arguments: Mapping[str, Any]) -> int:
    """Do an action that only writes to these rows. Returns how many it changed.

    Raises:
        ValueError: a status that there is not.
    """
    return _ACTIONS[action](rows, arguments)


def waiting(using: str) -> QuerySet[BulkJob]:
    """The jobs that have rows left, and on which nobody works."""
    return BulkJob.objects.using(using).filter(_is_free(), finished_at=None)


def deliver(run: Run, at_once: int) -> Delivery[int]:
    """Do a step of a job that nobody works on, each in turn. Returns the number of rows.

    What only writes goes on for a moment.

    Args:
        at_once: no more calls at once than that.
    """
    end, done = time.monotonic() + MOMENT, 0
    while job := _claim(run.using):
        rows = yield from _step(run, job, at_once)
        done += rows
        if not rows or job.action == Action.COMPARE or run.is_over() or time.monotonic() >= end:
            break
    return done


def _step(run: Run, job: BulkJob, at_once: int) -> Delivery[int]:
    try:
        if job.action == Action.COMPARE:
            return (yield from _compare(run, job, at_once))
        return _write(run.using, job)
    except Shut:
        _held(job, run.using).update(claim=None)
        raise
    except Exception as error:  # the edge of the worker: the job records it
        logger.exception("A bulk job failed.")
        _held(job, run.using).update(error=in_words(error), finished_at=DbNow(), claim=None)
        return 0


def _is_free() -> Q:
    """Nobody works on the job; a lease that ends later than one can is of a clock set back."""
    end = DbNow() + datetime.timedelta(seconds=conf.lease)
    return Q(claim=None) | Q(leased_until__lt=DbNow()) | Q(leased_until__gt=end)


@retried
def _claim(using: str) -> BulkJob | None:
    jobs = waiting(using)
    # A quick job does not wait for the end of a long one.
    waited_longest = jobs.order_by(F("leased_until").asc(nulls_first=True), "pk")
    pk = waited_longest.values_list("pk", flat=True).first()
    token, until = uuid.uuid4(), db_now(using) + datetime.timedelta(seconds=conf.lease)
    if pk is None or not jobs.filter(pk=pk).update(claim=token, leased_until=until):
        return None
    return BulkJob.objects.using(using).filter(pk=pk, claim=token).first()


def _held(job: BulkJob, using: str) -> QuerySet[BulkJob]:
    return BulkJob.objects.using(using).filter(pk=job.pk, claim=job.claim)


def _next(job: BulkJob, using: str, size: int) -> list[int]:
    """The primary keys of the next rows; if there are none, the job is finished."""
    rows = selected(job, using).filter(pk__gt=job.cursor, pk__lte=job.last_pk)
    pks = list(rows.order_by("pk").values_list("pk", flat=True)[:size])
    if not pks:
        _held(job, using).update(finished_at=DbNow(), claim=None)
    return pks


def _rows(job: BulkJob, using: str, pks: Collection[int]) -> Rows:
    return apps.get_model(job.model).objects.using(using).filter(pk__in=pks)


def _advance(job: BulkJob, using: str, cursor: int, done: int, **more: Any) -> bool:
    """Note how far the job has come; False where somebody else has it now."""
    held = _held(job, using)
    return bool(held.update(cursor=cursor, done=F("done") + done, claim=None, **more))


@retried
def _write(using: str, job: BulkJob) -> int:
    with short_transaction(using), _on_behalf_of(job):
        pks = _free(job, using, _next(job, using, STEP))
        if not pks:
            return 0
        affected = act(Action(job.action), _rows(job, using, pks), job.arguments)
        if not _advance(job, using, pks[-1], len(pks), affected=F("affected") + affected):
            transaction.set_rollback(True, using=using)
            return 0
    return len(pks)


def _free(job: BulkJob, using: str, pks: Sequence[int]) -> list[int]:
    """Those up to the first row that somebody else has locked: the drain does not wait for it.

    Where that is the first one, the job is left until a later step.
    """
    rows = locking(_rows(job, using, pks).order_by("pk"), skip_locked=True)
    locked = set(rows.values_list("pk", flat=True))
    free = list(takewhile(locked.__contains__, pks))
    if pks and not free:
        _held(job, using).update(claim=None)
    return free


def _on_behalf_of(job: BulkJob) -> AbstractContextManager[None]:
    return attributed(
        requested_by=job.requested_by,
        source="bulk",
        reason=job.arguments.get("reason", ""),
        override=job.arguments.get("override", False),
        bulk=True,
    )


def _compare(run: Run, job: BulkJob, at_once: int) -> Delivery[int]:
    rows = _rows(job, run.using, _next(job, run.using, min(at_once, ASKING_STEP)))
    compared = yield from comparisons([] if run.is_over() else list(rows.order_by("pk")))
    if not compared:
        _held(job, run.using).update(claim=None)
        return 0
    return _note(run.using, job, compared)


@retried
def _note(using: str, job: BulkJob, compared: Sequence[Comparison]) -> int:
    found = [_finding(each) for each in compared if each.differs or each.error]
    kept = sorted([*job.findings, *found], key=lambda finding: not finding["opt_out"])[:FINDINGS]
    more = {"findings": kept} if kept != job.findings else {}
    with short_transaction(using), _on_behalf_of(job):
        if job.arguments.get("push"):
            ours = [finding["pk"] for finding in found if not finding["error"]]
            _rows(job, using, ours).sync_now()
        affected = F("affected") + len(found)
        _advance(job, using, compared[-1].row.pk, len(compared), affected=affected, **more)
    return len(compared)


def _finding(comparison: Comparison) -> dict[str, Any]:
    return {
        "pk": comparison.row.pk,
        "key": comparison.row.wanted_key,
        "label": str(comparison.row),
        "error": comparison.error.code if comparison.error else "",
        "message": comparison.error.message[:MESSAGE] if comparison.error else "",
        "missing": comparison.is_missing,
        "opt_out": comparison.remote_opt_out,
        "fields": [field.name for field in comparison.fields if field.state is not State.SAME],
    }


def _set_subscription(rows: Rows, arguments: Mapping[str, Any]) -> int:
    status = Subscription(arguments["status"])
    rows = rows.exclude(subscription_status=status)
    if status != Subscription.UNSUBSCRIBED and not arguments.get("override"):
        rows = rows.exclude(opted_out(rows.db))
    return int(rows.update(subscription_status=status))


_ACTIONS: Mapping[BulkJob.Action, Callable[[Rows, Mapping[str, Any]], int]] = {
    Action.SYNC_NOW: lambda rows, arguments: rows.sync_now(),
    Action.RETRY_FAILED: lambda rows, arguments: rows.retry_failed(),
    Action.SET_SUBSCRIPTION: _set_subscription,
    Action.RESEND: lambda rows, arguments: rows.resend(),
    Action.MARK_AS_SENT: lambda rows, arguments: rows.mark_as_sent(),
    Action.DISCARD_FAILED: lambda rows, arguments: rows.discard_failed(),
}
