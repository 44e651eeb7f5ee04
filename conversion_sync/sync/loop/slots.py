"""The slots that a loop has reserved, until its calls begin in them."""

from __future__ import annotations

import time

from conversion_sync.sync.deliveries import NoSlot
from conversion_sync.sync.gate import LATE, WIDEST_SLOT, Refusal, Slots, leeway
from conversion_sync.sync.loop.call import Slot
from conversion_sync.sync.retry import retried
from conversion_sync.sync.run import Run
from conversion_sync.sync.transactions import refuse_transaction

__all__ = ["AHEAD", "ReservedSlots"]

#: Seconds before its slot at which a delivery goes on: as long as a claim takes, and a settling
#: before it. Whatever has gone on is sent though the gate is shut meanwhile.
AHEAD = 0.1

#: Seconds that a claim takes mostly: a call can't begin before.
CLAIMING = 0.03

#: Seconds of waiting for a slot after which the gate may have been shut meanwhile.
SOON = 0.5


class ReservedSlots:
    """Slots of the gate, on this process's monotonic clock, for whoever goes on next.

    After a call that was too late they are wider, after one that was not less so: where all are
    late, none could begin else.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._slots: list[Slot] = []
        self._missed: list[float] = []
        self._look_again = self._was_late = False
        self._width = 0.0

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
        self._missed += [slot.at for slot in self._slots if slot.is_late(now)]
        self._slots = [slot for slot in self._slots if not slot.is_late(now)]
        lacking = count - len(self._slots)
        if lacking > 0:
            taken = self._take(lacking)
            if taken.probe:
                self._slots = []
                return taken
            self._slots += [Slot(at, taken.width + leeway()) for at in taken.times]
            self._look_again = self._slots[0].at - time.monotonic() > SOON
        wait = self._slots[0].at - time.monotonic()
        if wait <= AHEAD and self._look_again:
            self._see_that_it_is_open()
        return wait

    def use(self, count: int) -> list[Slot]:
        """Take the next slots for calls that begin in them."""
        used, self._slots = self._slots[:count], self._slots[count:]
        return used

    def missed(self, slot: Slot) -> None:
        """Nothing has begun in this slot, which was used: it is given back with the next one."""
        self._missed.append(slot.at)
        self._was_late = True

    def give_back(self) -> None:
        """Let others have what nobody here uses any more."""
        unused = [*self._missed, *(slot.at for slot in self._slots)]
        self._slots, self._missed = [], []
        # What has passed for long bears on nobody.
        if any(slot > time.monotonic() for slot in unused):
            retried(self._run.gate.give_back)(unused)

    def drop(self) -> None:
        """Use none of them: the gate is shut."""
        self._slots = []

    def look_again(self) -> None:
        """Before the next one is used, see whether the gate has been shut since."""
        self._look_again = True

    def _take(self, count: int) -> Slots:
        unused, self._missed = self._missed, []
        wider = min(WIDEST_SLOT, max(LATE, 2 * self._width))
        self._width, self._was_late = (wider if self._was_late else self._width / 2), False
        taken = retried(self._run.gate.take)(
            count,
            within=self._run.time_left(),
            ahead=CLAIMING,
            # Less is nothing.
            width=self._width if self._width >= LATE / 2 else 0.0,
            unused=unused,
        )
        if isinstance(taken, Refusal):
            raise NoSlot(taken.wait)
        return taken

    def _see_that_it_is_open(self) -> None:
        """See that nobody has shut the gate since the slots were reserved."""
        self._look_again = False
        if refusal := retried(self._run.gate.refusal)():
            raise NoSlot(refusal.wait)
