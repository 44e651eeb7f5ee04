"""A job on which one drain works, and how far it has come."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from itertools import takewhile
from typing import Any

from django.apps import apps
from django.db.models import F, Q, QuerySet

from conversion_sync.conf import conf
from conversion_sync.models import BulkJob, attributed
from conversion_sync.models.clock import DbNow, db_now
from conversion_sync.models.locking import locking
from conversion_sync.sync.jobs.beginning import selected
from conversion_sync.sync.retry import retried

__all__ = ["HeldJob", "take_job", "waiting"]


def waiting(using: str) -> QuerySet[BulkJob]:
    """The jobs that have rows left, and on which nobody works."""
    return BulkJob.objects.using(using).filter(_is_free(), finished_at=None)


def _is_free() -> Q:
    """Nobody works on the job; a lease that ends later than one can is of a clock set back."""
    end = DbNow() + datetime.timedelta(seconds=conf.lease)
    return Q(claim=None) | Q(leased_until__lt=DbNow()) | Q(leased_until__gt=end)


@retried
def take_job(using: str) -> HeldJob | None:
    """Take the job that has waited longest; None: there is none, or others were faster."""
    jobs = waiting(using)
    # A quick job does not wait for the end of a long one.
    waited_longest = jobs.order_by(F("leased_until").asc(nulls_first=True), "pk")
    pk = waited_longest.values_list("pk", flat=True).first()
    token, until = uuid.uuid4(), db_now(using) + datetime.timedelta(seconds=conf.lease)
    if pk is None or not jobs.filter(pk=pk).update(claim=token, leased_until=until):
        return None
    job = BulkJob.objects.using(using).filter(pk=pk, claim=token).first()
    return None if job is None else HeldJob(job, using)


class HeldJob:
    """A job that this drain holds, until it lets it go or its lease is over."""

    def __init__(self, job: BulkJob, using: str) -> None:
        self.job, self.using = job, using

    def rows(self, pks: Collection[int]) -> Any:
        """The rows of its model with these primary keys."""
        return apps.get_model(self.job.model).objects.using(self.using).filter(pk__in=pks)

    def next(self, size: int) -> list[int]:
        """The primary keys of the next rows; if there are none, the job is finished."""
        job = self.job
        rows = selected(job, self.using).filter(pk__gt=job.cursor, pk__lte=job.last_pk)
        pks = list(rows.order_by("pk").values_list("pk", flat=True)[:size])
        if not pks:
            self.finish()
        return pks

    def lock(self, pks: Sequence[int]) -> list[int]:
        """Lock the rows up to the first that somebody else has: the drain does not wait for it.

        Where that is the first one, the job is left until a later step.

        Returns:
            The primary keys of those that are locked.
        """
        rows = locking(self.rows(pks).order_by("pk"), skip_locked=True)
        locked = set(rows.values_list("pk", flat=True))
        free = list(takewhile(locked.__contains__, pks))
        if pks and not free:
            self.let_go()
        return free

    def on_behalf(self) -> AbstractContextManager[None]:
        """What is written meanwhile is written for whoever began the job."""
        return attributed(
            requested_by=self.job.requested_by,
            source="bulk",
            reason=self.job.arguments.get("reason", ""),
            override=self.job.arguments.get("override", False),
            bulk=True,
        )

    def advance(self, cursor: int, done: int, **more: Any) -> bool:
        """Note how far it has come, and let it go; False where somebody else has it now."""
        return self._write(cursor=cursor, done=F("done") + done, **more)

    def let_go(self) -> None:
        """Leave it to a later step."""
        self._write()

    def finish(self, error: str = "") -> None:
        """Note that there is nothing left to do, or that the rest of it can't be done."""
        said = {"error": error} if error else {}
        self._write(finished_at=DbNow(), **said)

    def _write(self, **columns: Any) -> bool:
        held = BulkJob.objects.using(self.using).filter(pk=self.job.pk, claim=self.job.claim)
        return bool(held.update(claim=None, **columns))
