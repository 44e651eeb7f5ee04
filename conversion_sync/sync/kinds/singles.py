"""Kinds of which one row goes in one call; a few calls at once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from conversion_sync.api import ContentRefused
from conversion_sync.api.request import Request
from conversion_sync.conf import conf
from conversion_sync.sync.claim import Claim
from conversion_sync.sync.deliveries import Calls, Delivery, LoggedAnswer
from conversion_sync.sync.kinds.base import Kind
from conversion_sync.sync.look import Seen
from conversion_sync.sync.outcomes import Outcome, success
from conversion_sync.sync.payloads import Payload
from conversion_sync.sync.run import Run

__all__ = ["Singles"]


class Singles(Kind):
    """One row in one call; a few calls at once."""

    @abstractmethod
    def request(self, row: Any, item: Payload) -> Request[Any]:
        """The call that sends this row."""

    @property
    def most(self) -> int:
        """As many as are sent at once: no more than begin within half a second."""
        return max(1, min(conf.concurrency, int(conf.rate_limit / 2)))

    def calls_for(self, rows: int) -> int:
        return rows

    def chosen(self, ready: Sequence[Seen], at_once: int) -> list[int]:
        return super().chosen(ready, at_once)[:at_once]

    def send(self, run: Run, claim: Claim) -> Delivery[None]:
        answered = yield from self.call(claim, claim.rows)
        yield from self.settle(run, claim, answered)

    def call(
        self, claim: Claim, rows: Sequence[Any]
    ) -> Delivery[Sequence[tuple[Any, LoggedAnswer[Any]]]]:
        """Make the calls of these rows at once; what arrives is settled, whatever others wait for.

        A worker that dies then leaves in doubt only what has not been answered.
        """

        requests = [self.request(row, claim.payloads[row.pk]) for row in rows]
        pks = [[row.pk] for row in rows]
        answers = yield Calls(requests, claim, pks, are_singles=True)
        return list(zip(rows, answers, strict=True))

    def settle(
        self, run: Run, claim: Claim, answered: Sequence[tuple[Any, LoggedAnswer[Any]]]
    ) -> Delivery[None]:
        """Settle each row by its answer."""
        outcomes = {}
        for row, answer in answered:
            made = yield from self.outcome_of(run, row, answer)
            outcomes[row.pk] = replace(made, call=answer.call)
        run.settle(claim, outcomes)

    def outcome_of(self, run: Run, row: Any, answer: LoggedAnswer[Any]) -> Delivery[Outcome]:
        """What becomes of a row whose call ended so."""
        if answer.error is None:
            return success(answer.result, answer.call)
        if isinstance(answer.error, ContentRefused):
            return (yield from self.content_refused(run, row, answer.error))
        counts = yield from run.counts([row], answer.error)
        return self.outcome(row, answer.error, counts=counts)
