"""Settling what came of a claim's rows.

It writes only where the claim still stands and, for records, where the revision that was stamped
before the call still does.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.db.models import Q

from conversion_sync import signals
from conversion_sync.api.errors import ErrorCode
from conversion_sync.models import Contact, Status, SubscriptionChange
from conversion_sync.models.among import among
from conversion_sync.models.contact_table import lock_free
from conversion_sync.models.locking import locking
from conversion_sync.models.subscription import OUT
from conversion_sync.models.subscription_column import reflect
from conversion_sync.sync.claim import Claim
from conversion_sync.sync.error_text import error_in_words, is_of_the_database
from conversion_sync.sync.outcomes import Decision, Outcome
from conversion_sync.sync.retry import retried_for_a_lease
from conversion_sync.sync.settle.writing import Settling
from conversion_sync.sync.states import failed
from conversion_sync.sync.transactions import short_transaction
from conversion_sync.sync.waiting import release_behind

__all__ = ["settle"]

logger = logging.getLogger(__name__)


def settle(claim: Claim, outcomes: dict[int, Outcome]) -> int:
    """Write what came of rows of this claim.

    Rows locked by somebody else are not waited for, so that a host's transaction is never the
    victim of a deadlock, and keeps no other row: they become the claim's ``unsettled``, for another
    call of this. Rows that the claim no longer holds are left alone.

    Args:
        outcomes: by primary key. What is ``unsettled`` is tried again with them, as it is there.

    Returns:
        The number of rows written.
    """
    outcomes = outcomes | claim.unsettled
    done = _settle_what_can_be(claim, outcomes)
    release_behind(claim.model, claim.using, done)
    left = set(outcomes) - done
    still = _still_claimed(claim, left) if left else left
    claim.unsettled = {pk: outcomes[pk] for pk in still}
    return len(done)


@retried_for_a_lease
def _still_claimed(claim: Claim, pks: Collection[int]) -> set[int]:
    rows = claim.table().filter(claim=claim.token, pk__in=pks)
    return set(rows.values_list("pk", flat=True))


def _settle_what_can_be(claim: Claim, outcomes: dict[int, Outcome]) -> set[int]:
    """Settle the rows together or, where that raises, in halves, down to the one at fault."""
    try:
        return _settle_unlocked(claim, outcomes)
    except Exception as error:  # whatever a row does is that row's fault
        if is_of_the_database(error):
            raise
        if len(outcomes) == 1:
            logger.warning("What came of a row can't be kept.", exc_info=error)
            return _blame(claim, outcomes, error)
    pks = sorted(outcomes)
    halves = (pks[: len(pks) // 2], pks[len(pks) // 2 :])
    return set().union(
        *(_settle_what_can_be(claim, {pk: outcomes[pk] for pk in half}) for half in halves)
    )


@retried_for_a_lease
def _blame(claim: Claim, outcomes: dict[int, Outcome], error: Exception) -> set[int]:
    """Record on a row that what came of it can't be kept."""
    columns = failed(ErrorCode.UNSENDABLE, error_in_words(error))
    if claim.model.ONCE:
        # It may have arrived: nobody is to send it again without having looked.
        columns = {name: columns[name] for name in ("last_error_code", "last_error_message")}
        columns |= {"sync_status": Status.UNCONFIRMED, "due_at": None}
    rows = claim.table().filter(claim=claim.token, pk__in=list(outcomes))
    with short_transaction(claim.using):
        locked = list(locking(rows, skip_locked=True).values_list("pk", flat=True))
        claim.table().filter(pk__in=locked).update(**columns)
    if not claim.model.ONCE and locked:
        claim.settled[Decision.FAILED] += len(locked)
        signals.row_failed.send_robust(sender=claim.model, pks=locked)
    return set(locked)


@retried_for_a_lease
def _settle_unlocked(claim: Claim, outcomes: dict[int, Outcome]) -> set[int]:
    settled = defaultdict[Decision, list[int]](list)
    with short_transaction(claim.using):
        rows = claim.table().filter(among(outcomes), claim=claim.token)
        # Only what is looked at: what a row says may have become such that it can't be loaded.
        needed = rows.order_by("pk").values_list("pk", *claim.model.SETTLED_BY, named=True)
        locked = list(locking(needed, skip_locked=True))
        stale = set[int]()
        if issubclass(claim.model, SubscriptionChange):
            locked, stale = _with_free_contacts(claim.using, locked, outcomes)
        Settling(claim).write([(row, outcomes[row.pk]) for row in locked], settled)
        if stale:
            reflect(claim.using, stale)
    claim.settled.update({decision: len(pks) for decision, pks in settled.items()})
    for decision, signal in (
        (Decision.SYNCED, signals.row_synced),
        (Decision.FAILED, signals.row_failed),
    ):
        if settled[decision]:
            signal.send_robust(sender=claim.model, pks=settled[decision])
    return {row.pk for row in locked}


def _with_free_contacts(
    using: str, changes: Sequence[Any], outcomes: Mapping[int, Outcome]
) -> tuple[list[Any], set[int]]:
    """Lock the contacts whose columns may say something else once these changes are settled.

    Who holds one of them is not waited for: to delete it, he would want these changes.

    Returns:
        The changes whose contacts are not held by others, and the contacts that were locked.
    """
    lifted, held = set[int](), set[int]()
    for row in changes:
        if row.contact_id and row.status != OUT:
            arrived_there = outcomes[row.pk].decision is Decision.SYNCED
            (lifted if arrived_there else held).add(row.contact_id)
    if not lifted and not held:
        return [*changes], set()
    is_out = Q(subscription_status=OUT)
    stale = Contact.unmarked.using(using).filter(Q(is_out, pk__in=lifted) | Q(~is_out, pk__in=held))
    pks = {*stale.values_list("pk", flat=True)}
    free = lock_free(using, pks)
    return [row for row in changes if row.contact_id not in pks - free], free
