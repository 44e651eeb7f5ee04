"""One drain at work: its time, its slots, its calls, and what came of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from conversion_sync.api import Client, ConversionError
from conversion_sync.models import SyncedModel
from conversion_sync.sync.gate import Gate, Refusal, Slots
from conversion_sync.sync.outbox import (
    Claim,
    briefly,
    log_calls,
    persistently,
    settle,
)
from conversion_sync.sync.outcomes import Decision, Effect, Outcome, effect
from conversion_sync.sync.remote import Answer, client, together

__all__ = ["Run", "Shut"]

#: A contact that nobody has: asking for it harms nothing.
PROBE = "conversion-sync-probe@invalid.example"

#: Seconds of waiting for a slot after which the gate may have been shut meanwhile.
SOON = 0.5


class Shut(Exception):
    """The gate lets nothing through for ``wait`` seconds; None: until somebody acts."""

    def __init__(self, wait: float | None) -> None:
        super().__init__(wait)
        self.wait = wait


class Run:
    """What the channels of one drain share.

    Args:
        seconds: no call begins later than that.
        stop: asked before each call; True ends the drain after what is in hand.
        on_progress: told the number of rows settled since it was last told.
    """

    def __init__(
        self,
        using: str,
        seconds: float,
        stop: Callable[[], bool] = lambda: False,
        on_progress: Callable[[int], None] = lambda rows: None,
    ) -> None:
        self.using, self.gate = using, Gate(using)
        self.end = time.monotonic() + seconds
        self.stop, self.on_progress = stop, on_progress
        self.rows = self.synced = self.failed = self.made = 0
        self._slots: Slots | None = None

    def time_left(self) -> float:
        """Seconds in which a call may still begin."""
        return self.end - time.monotonic()

    def is_over(self) -> bool:
        """Whether the drain has to end."""
        return self.time_left() <= 0 or self.stop()

    def has_slot(self) -> bool:
        """Whether a reserved slot is there, and not too late to be used."""
        return self._slots is not None and not self._slots.is_late()

    def reserve(self, count: int = 1) -> None:
        """Have the next slots, and sleep until the first of them.

        Raises:
            Shut: the gate lets nothing through in the time that is left.
        """
        while True:
            if self.has_slot() and len(self._slots.times) >= count:  # type: ignore[union-attr]  # has_slot
                return
            slots = briefly(self.gate.take)(count, within=max(0.0, self.time_left()))
            if isinstance(slots, Refusal):
                raise Shut(slots.wait)
            if slots.wait() > SOON:
                self._still_open(slots)
            self._slots = slots
            if not slots.probe:
                return
            if self._probe() not in (Effect.OK, Effect.ANSWERED):
                refusal = briefly(self.gate.refusal)()
                raise Shut(refusal.wait if refusal else 0.0)

    def _still_open(self, slots: Slots) -> None:
        """See that nobody has shut the gate while we slept; its own probe is no reason."""
        refusal = None if slots.probe else briefly(self.gate.refusal)()
        if refusal is not None:
            raise Shut(refusal.wait)

    def call(self, make: Callable[[Client], Any]) -> Answer[Any]:
        """Make one call in the reserved slot."""
        return self.calls([make])[0]

    def calls(self, make: Sequence[Callable[[Client], Any]]) -> list[Answer[Any]]:
        """Make the calls at once, each in a slot; tell the gate and the log of them.

        Raises:
            Shut: the slots had passed, and the gate gives no others.
        """
        self.reserve(len(make))
        slots, self._slots = self._slots, None
        assert slots is not None  # noqa: S101  # reserve raises otherwise
        answers = together([partial(_at, slots, i, one) for i, one in enumerate(make)])
        self.made += len(answers)
        self._report([answer.error for answer in answers])
        lines = log_calls(self.using, [answer.record for answer in answers])
        return [replace(a, call=line) for a, line in zip(answers, lines, strict=True)]

    def _report(self, errors: Sequence[ConversionError | None]) -> None:
        troubles = [error for error in errors if effect(error) is not Effect.OK]
        # The answers are here: a database that fails now must not cost them.
        report = persistently(self.gate.report)
        if len(troubles) < len(errors):
            report(None)
        for error in troubles:
            report(error)

    def _probe(self) -> Effect:
        """What a harmless call says of the channel."""
        return effect(self.call(lambda api: api.get_contact(PROBE)).error)

    def counts(self, rows: Sequence[SyncedModel], error: ConversionError) -> bool:
        """Whether a try that ended so counts against these rows: the API works otherwise.

        It does where a call succeeded since they were last tried. Where they are the only
        traffic, a harmless call tells.
        """
        if effect(error) in (Effect.OK, Effect.LIMITED, Effect.CLOSED):
            return effect(error) is Effect.OK
        tries = [row.last_attempt_at for row in rows if row.failing_since and row.last_attempt_at]
        if not tries:
            return False
        if briefly(self.gate.works_since)(min(tries)):
            return True
        try:
            self.reserve()
            probed = self._probe()
        except Shut:
            return False
        # Who is refused everything learns nothing of a refusal, but something of a fault.
        return probed is Effect.OK or (probed is Effect.ANSWERED and effect(error) is Effect.FAULT)

    def settle(self, claim: Claim, outcomes: dict[int, Outcome], call: int | None = None) -> None:
        """Write what came of the rows, and count it."""
        if not outcomes:
            return
        if call is not None:
            outcomes = {pk: replace(outcome, call=call) for pk, outcome in outcomes.items()}
        before = claim.settled.copy()
        written = settle(claim, outcomes)
        self.rows += written
        self.synced += claim.settled[Decision.SYNCED] - before[Decision.SYNCED]
        self.failed += claim.settled[Decision.FAILED] - before[Decision.FAILED]
        self.on_progress(written)

    def passed_over(self, claim: Claim) -> None:
        """Count what needed no call: the API has it so, or it can't be sent as it is."""
        if rows := claim.skipped + len(claim.refused):
            self.rows += rows
            self.failed += len(claim.refused)
            self.on_progress(rows)


def _at(slots: Slots, index: int, make: Callable[[Client], Any]) -> Any:
    slots.wait(index)
    return make(client())
