"""The steps of jobs: what only writes, some hundreds of rows at a time."""

from __future__ import annotations

import logging
import time

from django.db import transaction
from django.db.models import F

from conversion_sync.sync.deliveries import Delivery, NoSlot
from conversion_sync.sync.error_text import error_in_words
from conversion_sync.sync.jobs.actions import Action, act
from conversion_sync.sync.jobs.comparing import compare
from conversion_sync.sync.jobs.held import HeldJob, take_job
from conversion_sync.sync.retry import retried
from conversion_sync.sync.run import Run
from conversion_sync.sync.transactions import short_transaction

__all__ = ["deliver"]

logger = logging.getLogger(__name__)

#: Rows in one step.
ROWS_AT_ONCE = 500

#: Seconds for which steps that only write follow one another.
STEP_SECONDS = 0.1


def deliver(run: Run, at_once: int) -> Delivery[int]:
    """Do a step of a job that nobody works on, each in turn. Returns the number of rows.

    What only writes goes on for a moment.

    Args:
        at_once: no more calls at once than that.
    """
    end, done = time.monotonic() + STEP_SECONDS, 0
    while held := take_job(run.using):
        rows = yield from _step(run, held, at_once)
        done += rows
        asks = held.job.action == Action.COMPARE
        if not rows or asks or run.is_over() or time.monotonic() >= end:
            break
    return done


def _step(run: Run, held: HeldJob, at_once: int) -> Delivery[int]:
    try:
        if held.job.action == Action.COMPARE:
            return (yield from compare(run, held, at_once))
        return _write(held)
    except NoSlot:
        held.let_go()
        raise
    except Exception as error:  # the edge of the worker: the job records it
        logger.exception("A bulk job failed.")
        held.finish(error_in_words(error))
        return 0


@retried
def _write(held: HeldJob) -> int:
    job = held.job
    with short_transaction(held.using), held.on_behalf():
        pks = held.lock(held.next(ROWS_AT_ONCE))
        if not pks:
            return 0
        affected = act(Action(job.action), held.rows(pks), job.arguments)
        if not held.advance(pks[-1], len(pks), affected=F("affected") + affected):
            transaction.set_rollback(True, using=held.using)
            return 0
    return len(pks)
