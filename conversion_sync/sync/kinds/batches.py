"""Kinds of which many rows go in one call; a batch refused for its content is split."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from conversion_sync.api import BatchResult, ContentRefused, ConversionError
from conversion_sync.api.errors import ApiError, ErrorCode, api_error_class
from conversion_sync.api.request import Request
from conversion_sync.models.messages import Message, stored
from conversion_sync.sync.claim import Claim, renew
from conversion_sync.sync.deliveries import Calls, Delivery, LoggedAnswer, NoSlot, SlotsNeeded
from conversion_sync.sync.kinds.base import Kind
from conversion_sync.sync.outcomes import Decision, Effect, Outcome, effect, splits
from conversion_sync.sync.payloads import Payload
from conversion_sync.sync.run import Run

__all__ = ["Batches"]

#: Calls after which a batch that is being split makes room for others.
SPLIT_CALLS = 40


class Batches(Kind):
    """Many rows in one call; a batch refused for its content is split."""

    @abstractmethod
    def request(self, items: Sequence[Payload]) -> Request[BatchResult]:
        """The call that carries these items."""

    @abstractmethod
    def key(self, item: Payload) -> str:
        """What the answer names an item by."""

    def send(self, run: Run, claim: Claim) -> Delivery[None]:
        yield from _Batch(self, run, claim).send()


class _Batch:
    """The sending of one claim, in one call or, where it has bad rows, in several."""

    def __init__(self, kind: Batches, run: Run, claim: Claim) -> None:
        self.kind, self.run, self.claim = kind, run, claim
        self.rows = {row.pk: row for row in claim.rows}
        self.parts: list[list[int]] = [list(self.rows)]
        self.calls = self.seen = self.bad = 0
        self.refused: ConversionError | None = None
        self.others_arrived = False

    def send(self) -> Delivery[None]:
        """Send part after part, until none is left or others have to have their turn."""
        while self.parts:
            if self.calls and (self.calls >= SPLIT_CALLS or self.run.is_over()):
                self._put_off()
                return
            part = yield from self._next_part()
            if part:
                yield from self._send(part)

    def _next_part(self) -> Delivery[list[int]]:
        """The next part; with a new lease, where time has passed."""
        part = self.parts.pop()
        if not self.calls:
            return part
        try:
            yield SlotsNeeded()
        except NoSlot:
            self.parts.append(part)
            raise
        rest = [pk for each in self.parts for pk in each]
        kept = renew(self.claim, part + rest)
        lost = [pk for pk in part + rest if pk not in kept]
        self.run.settle(self.claim, dict.fromkeys(lost, Outcome(Decision.HOLD)))
        self.parts = [[pk for pk in each if pk in kept] for each in self.parts]
        return [pk for pk in part if pk in kept]

    def _send(self, part: list[int]) -> Delivery[None]:
        request = self.kind.request([self.claim.payloads[pk] for pk in part])
        self.calls += 1
        [answer] = yield Calls([request], self.claim, [part])
        if answer.error is not None:
            yield from self._ended(part, answer, answer.error)
        elif answer.result is not None:
            self._arrived(part, answer, answer.result)

    def _arrived(self, part: list[int], answer: LoggedAnswer[Any], result: BatchResult) -> None:
        outcomes = {}
        for pk in part:
            item = result.items.get(self.kind.key(self.claim.payloads[pk]))
            if item is None:
                outcome = Outcome(
                    Decision.RETRY,
                    ErrorCode.MISSING,
                    stored(Message.NOT_MENTIONED),
                    in_doubt=True,
                    counts=True,
                )
            elif item.error is not None:
                outcome = self._outcome(pk, _as_error(item.error.code, item.error.message), True)
            else:
                outcome = Outcome(
                    Decision.SYNCED,
                    remote_id=item.remote_id or "",
                    created=item.operation == "created",
                    in_doubt=item.operation is None,
                    call=answer.call,
                )
            outcomes[pk] = outcome
        self.seen += len(part)
        if self.refused and any(o.decision is Decision.SYNCED for o in outcomes.values()):
            self.others_arrived = True
        self.run.settle(self.claim, outcomes, answer.call)

    def _ended(
        self, part: list[int], answer: LoggedAnswer[Any], error: ConversionError
    ) -> Delivery[None]:
        if isinstance(error, ContentRefused):
            yield from self._content_refused(part, answer, error)
            return
        rows = [self.rows[pk] for pk in part]
        counts = yield from self.run.counts(rows, error)
        # Once more may be chance: a split of a batch that has no bad row costs calls for nothing.
        again = counts and any(r.attempts and r.last_error_code == error.code for r in rows)
        if len(part) > 1 and splits(error, self.kind.operation, again=again):
            self._split(part, answer, error)
            return
        self.seen += len(part)
        self.bad += effect(error) is Effect.OK
        outcomes = {pk: self._outcome(pk, error, counts) for pk in part}
        self.run.settle(self.claim, outcomes, answer.call)

    def _content_refused(
        self, part: list[int], answer: LoggedAnswer[Any], error: ContentRefused
    ) -> Delivery[None]:
        self.refused = self.refused or error
        if len(part) > 1:
            self._split(part, answer, error)
            return
        self.seen += 1
        self.bad += 1
        row = self.rows[part[0]]
        outcome = yield from self.kind.content_refused(
            self.run, row, error, others_arrived=self.others_arrived
        )
        self.run.settle(self.claim, {row.pk: outcome}, answer.call)

    def _outcome(self, pk: int, error: ConversionError, counts: bool) -> Outcome:
        return self.kind.outcome(self.rows[pk], error, counts=counts)

    def _split(self, part: list[int], answer: LoggedAnswer[Any], error: ConversionError) -> None:
        # What refused the batch may have taken some of its rows.
        self.claim.doubtful.update(part)
        named = self._named(part, error)
        if named:
            self.seen += len(named)
            self.bad += len(named)
            self.run.settle(self.claim, named, answer.call)
            if rest := [pk for pk in part if pk not in named]:
                self.parts.append(rest)
        elif self.seen >= 8 and self.bad > 0.15 * self.seen:
            self.parts += [[pk] for pk in reversed(part)]
        else:
            middle = len(part) // 2
            self.parts += [part[middle:], part[:middle]]

    def _named(self, part: list[int], error: ConversionError) -> dict[int, Outcome]:
        """The rows that the error's details name, with what they say of each."""
        items = error.items if isinstance(error, ApiError) else []
        by_key = {self.kind.key(self.claim.payloads[pk]): pk for pk in part}
        return {
            by_key[item.key]: self._outcome(
                by_key[item.key], _as_error(item.code or error.code, item.message), True
            )
            for item in items
            if item.key in by_key
        }

    def _put_off(self) -> None:
        """Others have their turn; what is left of the batch comes back apart from fresh rows."""
        rest = [pk for part in self.parts for pk in part]
        later = Outcome(
            Decision.RETRY, ErrorCode.VALIDATION_ERROR, stored(Message.BATCH_REFUSED), counts=True
        )
        if self.refused:
            # Where none has arrived, the channel may be what refuses.
            counts = self.others_arrived
            later = replace(later, code=self.refused.code, counts=counts, endless=True)
        self.run.settle(self.claim, dict.fromkeys(rest, later))
        self.parts = []


def _as_error(code: str, message: str) -> ApiError:
    code = code or ErrorCode.VALIDATION_ERROR
    return api_error_class(code)(message, code=code)
