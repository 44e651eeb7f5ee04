"""Claiming due rows for one delivery.

A claim is a short transaction. It locks with SKIP LOCKED and looks again, under the lock, at what
has to go first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Any

from django.db import connections
from django.db.models import Q, QuerySet

from conversion_sync import signals
from conversion_sync.api.errors import ErrorCode
from conversion_sync.conf import conf
from conversion_sync.models.among import among
from conversion_sync.models.clock import DbNow, db_now
from conversion_sync.models.locking import locking
from conversion_sync.models.unindexed import unindexed
from conversion_sync.sync.claim.building import build
from conversion_sync.sync.claim.claim import Claim
from conversion_sync.sync.claim.stamping import stamp
from conversion_sync.sync.error_text import error_in_words, is_of_the_database
from conversion_sync.sync.outcomes import backoff
from conversion_sync.sync.payloads import Payload
from conversion_sync.sync.readiness import waits_for
from conversion_sync.sync.retry import retried
from conversion_sync.sync.states import WORKERS_STOPPED, failed, is_out_of_tries, tried_in_vain
from conversion_sync.sync.transactions import close_broken, short_transaction
from conversion_sync.sync.waiting import release_behind

__all__ = ["claim_rows"]

logger = logging.getLogger(__name__)


def claim_rows(
    rows: QuerySet[Any], pks: Collection[int], payload: Callable[[Any], Payload]
) -> Claim:
    """Take those of the rows that are still due and ready, and stamp what will be sent.

    Rows that can't be taken together are taken in part, down to one; one that can't be taken
    alone records why. The others stay due.

    Args:
        rows: rows of ``unmarked`` that may be claimed, as they are to be loaded.
        pks: the primary keys of those that are wanted, the first ones before others.
        payload: what is sent of a row; raises ValidationError for one that can't be.

    Raises:
        DatabaseError: the database failed, whatever the rows.
    """
    claim = _claim_what_can_be(rows, list(pks), payload)
    if claim.refused:
        signals.row_failed.send_robust(sender=claim.model, pks=list(claim.refused))
    release_behind(claim.model, claim.using, [*claim.unchanged, *claim.refused])
    return claim


def _claim_what_can_be(
    rows: QuerySet[Any], pks: list[int], payload: Callable[[Any], Payload]
) -> Claim:
    while True:
        claim = Claim(rows.model, rows.db)
        try:
            _claim(claim, rows, pks, payload)
        except Exception as error:  # whatever a row does is that row's fault
            # Where it came as far as the stamping, only what was stamped can be at fault.
            pks = claim.pks or pks
            if len(pks) > 1:
                if is_of_the_database(error):
                    _see_that_it_works(claim.using)
                pks = pks[: len(pks) // 2]
                continue
            logger.warning("A row can't be sent.", exc_info=error)
            return _blame(Claim(rows.model, rows.db), pks, error)
        return claim


def _see_that_it_works(using: str) -> None:
    """Raise what the database raises where it is gone."""
    if not connections[using].in_atomic_block:
        close_broken()
    db_now(using)


@retried
def _blame(claim: Claim, pks: Collection[int], error: Exception) -> Claim:
    """Record on a row that it can't be loaded, built or stamped; it is not loaded for that."""
    words = error_in_words(error)
    with short_transaction(claim.using):
        due = claim.table().filter(unindexed(Q(due_at__lte=DbNow())), pk__in=pks).order_by("pk")
        columns = due.only("pk", "attempts", "failing_since")
        for row in locking(columns, skip_locked=True):
            this = claim.table().filter(pk=row.pk)
            if is_of_the_database(error) and not is_out_of_tries(row, claim.clock):
                # Perhaps only now: it comes again, apart from others.
                wait = backoff(row.attempts, conf.backoff, conf.backoff_max)
                this.update(**tried_in_vain(ErrorCode.UNSENDABLE, words, wait))
                claim.put_off.append(row.pk)
            else:
                this.update(**failed(ErrorCode.UNSENDABLE, words))
                claim.refused[row.pk] = words
    return claim


@retried
def _claim(
    claim: Claim,
    rows: QuerySet[Any],
    pks: Collection[int],
    payload: Callable[[Any], Payload],
) -> None:
    claim.forget()
    with short_transaction(claim.using):
        wanted = claim.table().filter(among(pks), unindexed(Q(due_at__lte=DbNow()))).order_by("pk")
        locked = list(locking(wanted, skip_locked=True).values_list("pk", flat=True))
        # The lock may have waited for, or skipped over, what made a row ready: look again.
        due = rows.alias(waits_for=waits_for(claim.model, claim.using))
        ready = due.filter(unindexed(Q(due_at__lte=DbNow())), waits_for="").order_by(
            "priority", "due_at", "pk"
        )
        alive = _without_poison(claim, list(ready.filter(among(locked))))
        build(claim, alive, payload)
        stamp(claim)


def _without_poison(claim: Claim, rows: Sequence[Any]) -> list[Any]:
    """The rows but those whose workers stopped again and again: these fail."""
    taken_over = [row for row in rows if row.claim is not None]
    poison = [row.pk for row in taken_over if is_out_of_tries(row, claim.clock)]
    if poison:
        claim.table().filter(pk__in=poison).update(**failed(ErrorCode.NO_ANSWER, WORKERS_STOPPED))
        claim.refused |= dict.fromkeys(poison, WORKERS_STOPPED)
    return [row for row in rows if row.pk not in poison]
