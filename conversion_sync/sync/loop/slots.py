"""The slots that a loop has reserved, until its calls begin in them."""

from __future__ import annotations

import time

from conversion_sync.sync.deliveries import NoSlot
from conversion_sync.sync.gate import LATE, Refusal, Slots
from conversion_sync.sync.retry import retried
from conversion_sync.sync.run import Run
from conversion_sync.sync.transactions import refuse_transaction

__all__ = ["AHEAD", "ReservedSlots"]

#: Seconds before its slot at which a delivery goes on: as long as a claim takes.
AHEAD = 0.1

#: Seconds of waiting for a slot after which the gate may have been shut meanwhile.
SOON = 0.5


class ReservedSlots:
    """Slots of the gate, on this process's monotonic clock, for whoever goes on next."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._times: list[float] = []
        self._look_again = False

    def reserve(self, count: int) -> float | Slots:
        """Have so many slots, and reserve what is lacking.

        Returns:
            Seconds until the first; or the gate's slots, where a probe goes first.

        Raises:
            NoSlot: the gate lets nothing through in the time that is left, or none is left.
            CallInTransaction: this thread has a transaction open.
        """
        refuse_transaction()
        if self._run.time_left() <= 0:
            raise NoSlot(0.0)
        now = time.monotonic()
        self._times = [slot for slot in self._times if slot + LATE >= now]
        lacking = count - len(self._times)
        if lacking > 0:
            within = self._run.time_left()
            taken = retried(self._run.gate.take)(lacking, within=within)
            if isinstance(taken, Refusal):
                raise NoSlot(taken.wait)
            if taken.probe:
                self._times = []
                return taken
            self._times += taken.times
            self._look_again = self._times[0] - time.monotonic() > SOON
        wait = self._times[0] - time.monotonic()
        if wait <= AHEAD and self._look_again:
            self._see_that_it_is_open()
        return wait

    def use(self, count: int) -> list[float]:
        """Take the next slots for calls that begin in them."""
        used, self._times = self._times[:count], self._times[count:]
        return used

    def drop(self) -> None:
        """Use none of them: the gate is shut."""
        self._times = []

    def look_again(self) -> None:
        """Before the next one is used, see whether the gate has been shut since."""
        self._look_again = True

    def _see_that_it_is_open(self) -> None:
        """See that nobody has shut the gate since the slots were reserved."""
        self._look_again = False
        if refusal := retried(self._run.gate.refusal)():
            raise NoSlot(refusal.wait)
