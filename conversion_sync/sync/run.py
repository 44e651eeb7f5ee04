"""One drain at work: its time, what it has settled, and what it tells the gate."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from conversion_sync.api import ConversionError, RemoteContact
from conversion_sync.api.generation import IN_USE as api
from conversion_sync.api.request import Request
from conversion_sync.models import SyncedModel
from conversion_sync.sync.claim import Claim
from conversion_sync.sync.deliveries import Calls, Delivery, NoSlot
from conversion_sync.sync.gate import Gate
from conversion_sync.sync.outcomes import Decision, Effect, Outcome, effect
from conversion_sync.sync.retry import retried_for_a_lease
from conversion_sync.sync.settle import settle

__all__ = ["PROBE", "Run", "ask_for_nobody"]

logger = logging.getLogger(__name__)

#: A contact that nobody has: asking for it harms nothing.
PROBE = "conversion-sync-probe@invalid.example"

#: Seconds for which the end of a drain tries to settle rows that are locked: no longer than the
#: drain has time, but for the second number.
LAST, LAST_AT_LEAST = 5.0, 1.0

#: Seconds before its end at which a drain sees to it that others go on.
ENDING = 1.0


class Run:
    """What the deliveries of one drain share.

    Args:
        seconds: no call begins later than that.
        stop: asked before each call; True ends the drain after what is in hand.
        on_progress: told the number of rows settled since it was last told.
        call_deadline: seconds for a whole call, where that is less than ``CALL_DEADLINE``.

    Attributes:
        made: how many calls were made.
        rows_before, made_before: how many rows were settled, and calls made, before the drain
            began anew.
    """

    def __init__(
        self,
        using: str,
        seconds: float,
        stop: Callable[[], bool] = lambda: False,
        on_progress: Callable[[int], None] = lambda rows: None,
        call_deadline: float | None = None,
    ) -> None:
        self.using, self.gate = using, Gate(using)
        self.call_deadline = call_deadline
        self._seconds = seconds
        self.end = time.monotonic() + seconds
        self.stop, self.on_progress = stop, on_progress
        self.rows = self.synced = self.failed = self.made = 0
        self.rows_before = self.made_before = 0
        self._unsettled: list[Claim] = []

    def time_left(self) -> float:
        """Seconds in which a call may still begin."""
        return self.end - time.monotonic()

    def is_over(self) -> bool:
        """Whether the drain has to end."""
        return self.time_left() <= 0 or self.stop()

    def is_ending(self) -> bool:
        """Whether little time is left, and nobody has stopped it."""
        return 0.0 < self.time_left() <= ENDING and not self.stop()

    def begin_anew(self) -> None:
        """Have as much time again, from now on."""
        self.end = time.monotonic() + self._seconds
        self.rows_before, self.made_before = self.rows, self.made

    def report(self, errors: Sequence[ConversionError | None]) -> None:
        """Tell the gate what calls ended in; None is a success."""
        # The answers are here: a database that fails now must not cost them.
        report = retried_for_a_lease(self.gate.report)
        if any(effect(error) is Effect.OK for error in errors):
            report(None)
        for error in errors:
            if effect(error) is not Effect.OK:
                report(error)

    def blame(self, error: ConversionError) -> None:
        """Tell the gate that the channel, not the row, refused a content."""
        self.report([error])

    def counts(self, rows: Sequence[SyncedModel], error: ConversionError) -> Delivery[bool]:
        """Whether a try that ended so counts against these rows: the API works otherwise.

        It does where a call succeeded since they were last tried. Where they are the only
        traffic, a harmless call tells.
        """
        if effect(error) in (Effect.OK, Effect.NOTHING):
            return True
        if effect(error) in (Effect.LIMITED, Effect.CLOSED):
            return False
        tries = [row.last_attempt_at for row in rows if row.failing_since and row.last_attempt_at]
        if not tries:
            return False
        if retried_for_a_lease(self.gate.works_since)(min(tries)):
            return True
        try:
            [answer] = yield Calls([ask_for_nobody()], is_probe=True)
        except NoSlot:
            return False
        probed = effect(answer.error)
        # Who is refused everything learns nothing of a refusal, but something of a fault.
        return probed is Effect.OK or (probed is Effect.ANSWERED and effect(error) is Effect.FAULT)

    def settle(self, claim: Claim, outcomes: dict[int, Outcome], call: int | None = None) -> None:
        """Write what came of the rows, and count it; what is locked is kept for later."""
        if not outcomes:
            return
        if call is not None:
            outcomes = {
                pk: made if made.call == call else replace(made, call=call)
                for pk, made in outcomes.items()
            }
        self._settle(claim, outcomes)

    def settle_rest(self) -> None:
        """Try again to write what came of rows that somebody else had locked."""
        for claim in list(self._unsettled):
            self._settle(claim, {})

    def settle_at_last(self) -> None:
        """Try for a moment, within the time of the drain, to write what is left of that.

        What stays locked is left to the end of its lease: a record is then sent again, and an
        engagement is in doubt.
        """
        now, pause = time.monotonic(), 0.02
        end = min(now + LAST, max(self.end, now + LAST_AT_LEAST))
        self.settle_rest()
        while self._unsettled and time.monotonic() < end:
            time.sleep(pause)
            pause = min(0.5, pause * 2)
            self.settle_rest()
        if self._unsettled:
            rows = sum(len(claim.unsettled) for claim in self._unsettled)
            logger.warning("%d rows stay locked by others: their answers are given up.", rows)

    def _settle(self, claim: Claim, outcomes: dict[int, Outcome]) -> None:
        before = claim.settled.copy()
        written = settle(claim, outcomes)
        self._unsettled = [each for each in self._unsettled if each is not claim]
        if claim.unsettled:
            self._unsettled.append(claim)
        self.rows += written
        self.synced += claim.settled[Decision.SYNCED] - before[Decision.SYNCED]
        self.failed += claim.settled[Decision.FAILED] - before[Decision.FAILED]
        if written:
            self.on_progress(written)

    def count_without_call(self, claim: Claim) -> None:
        """Count what needed no call: the API has it so, or it can't be sent as it is."""
        if rows := len(claim.unchanged) + len(claim.refused):
            self.rows += rows
            self.failed += len(claim.refused)
            self.on_progress(rows)


def ask_for_nobody() -> Request[RemoteContact]:
    """A harmless call, whose answer tells whether the API works."""
    return api.get_contact(PROBE)
