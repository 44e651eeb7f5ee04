"""Subscription changes: opt-outs, and the others, which go through the guard.

No opt-out is ever lost or undone: anything but UNSUBSCRIBED is sent only when neither our log
nor the remote knows of an opt-out that nobody has knowingly lifted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _

from conversion_sync.api import BatchResult, ConversionError, RemoteContact, StatusChange
from conversion_sync.api.generation import IN_USE as api
from conversion_sync.api.request import Request
from conversion_sync.conf import conf
from conversion_sync.models import Subscription, SubscriptionChange
from conversion_sync.sync import consent
from conversion_sync.sync.claim import Claim, renew
from conversion_sync.sync.deliveries import Calls, Delivery, SlotsNeeded
from conversion_sync.sync.kinds.base import with_only
from conversion_sync.sync.kinds.batches import Batches
from conversion_sync.sync.look import Seen, batch_of
from conversion_sync.sync.outcomes import Decision, Operation, Outcome
from conversion_sync.sync.readiness import is_overtaken
from conversion_sync.sync.run import Run
from conversion_sync.sync.types import Condition, Rows

__all__ = ["OptOuts", "OtherChanges"]

#: The most guarded changes in one claim.
GUARDED = 8


class _Changes(Batches):
    """``POST /contacts/batch-subscription``."""

    model = SubscriptionChange
    operation = Operation.SUBSCRIPTION

    #: What they ask for.
    statuses: ClassVar[Sequence[Subscription]]

    def heads(self, using: str) -> Sequence[Rows]:
        return [self.table(using).filter(status=status) for status in self.statuses]

    def rows(self, using: str) -> Rows:
        rows = self.table(using).filter(~is_overtaken(using))
        columns = ("email", "key", "remote_created_at", "synced_revision")
        return with_only(rows, *(f"contact__{name}" for name in columns))

    def obsolete(self, using: str) -> Condition:
        return is_overtaken(using)

    def clear(self, using: str, pks: Sequence[int]) -> None:
        consent.supersede(using, pks)

    def payload(self, row: SubscriptionChange) -> StatusChange:
        return StatusChange(row.address, row.status)

    def request(self, items: Sequence[StatusChange]) -> Request[BatchResult]:
        return api.set_subscriptions(items)

    def key(self, item: StatusChange) -> str:
        return item.email

    def send(self, run: Run, claim: Claim) -> Delivery[None]:
        consent.supersede_older(claim)
        yield from self.guard(run, claim)
        if claim.rows:
            yield from super().send(run, claim)

    def guard(self, run: Run, claim: Claim) -> Delivery[None]:
        """Settle those of the claim that must not be sent."""
        yield from ()

    def outcome(self, row: Any, error: ConversionError, *, counts: bool) -> Outcome:
        made = super().outcome(row, error, counts=counts)
        if made.decision is Decision.PUSH_CONTACT:
            return consent.not_found(row, made)
        return made


class OptOuts(_Changes):
    """Changes that are never overtaken, and need no guard."""

    name = "opt-out"
    plural = "opt-outs"
    label = _("opt-outs")
    statuses = (Subscription.UNSUBSCRIBED,)


class OtherChanges(_Changes):
    """Changes behind the guard: those of contacts that we just created need no GET."""

    name = "subscription"
    plural = "subscriptions"
    label = _("subscription changes")
    statuses = (Subscription.SUBSCRIBED, Subscription.PENDING)

    def preferred(self, using: str) -> Condition:
        return consent.is_created_by_us(using)

    def chosen(self, ready: Sequence[Seen], at_once: int) -> list[int]:
        if preferred := [row for row in ready if row.is_preferred]:
            return batch_of(preferred, self.most)
        return batch_of(ready, min(GUARDED, at_once, most_guarded()))

    def guard(self, run: Run, claim: Claim) -> Delivery[None]:
        asked = yield from self._ask(run, claim)
        _settle(run, claim, consent.blocked(claim, asked))

    def _ask(self, run: Run, claim: Claim) -> Delivery[dict[int, RemoteContact]]:
        """Ask Conversion about those whom our own upsert did not just create."""
        made_by_us = consent.created_by_us(claim)
        rows = [row for row in claim.rows if row.pk not in made_by_us]
        found: dict[int, RemoteContact] = {}
        step = max(1, conf.concurrency)
        for start in range(0, len(rows), step):
            chunk = rows[start : start + step]
            outcomes = {}
            answers = yield Calls([api.get_contact(row.address) for row in chunk])
            for row, answer in zip(chunk, answers, strict=True):
                if answer.error is not None:
                    counts = yield from run.counts([row], answer.error)
                    outcome = self.outcome(row, answer.error, counts=counts)
                    # Nothing was changed by asking.
                    outcomes[row.pk] = replace(outcome, call=answer.call, in_doubt=False)
                elif answer.result is not None:
                    found[row.pk] = answer.result
            _settle(run, claim, outcomes)
            if claim.rows:
                yield SlotsNeeded()
                _renew(claim)
        return found


def most_guarded() -> int:
    """Of how many changes the GETs, and the call after them, fit into a lease."""
    at_once = max(1, conf.concurrency)
    # Each round waits for its slots, and then for its slowest answer.
    one_round = conf.call_deadline + at_once / conf.rate_limit
    rounds = int((conf.lease - conf.call_deadline) // one_round)
    if rounds:
        return rounds * at_once
    return max(1, int((conf.lease - 2 * conf.call_deadline) * conf.rate_limit))


def _settle(run: Run, claim: Claim, outcomes: dict[int, Outcome]) -> None:
    """Settle these, which are no longer sent."""
    run.settle(claim, outcomes)
    claim.rows = [row for row in claim.rows if row.pk not in outcomes]


def _renew(claim: Claim) -> None:
    kept = renew(claim, claim.pks)
    claim.rows = [row for row in claim.rows if row.pk in kept]
