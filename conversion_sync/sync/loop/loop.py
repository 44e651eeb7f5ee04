"""Running deliveries side by side: each goes on when its slots, or its answers, have come."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from conversion_sync.api import ConfigurationError
from conversion_sync.conf import conf
from conversion_sync.sync.deliveries import Calls, Delivery, NoSlot, SlotsNeeded
from conversion_sync.sync.gate import Slots, is_fast
from conversion_sync.sync.loop.call import TICK, LateCall, Slot
from conversion_sync.sync.loop.calls import CallsInFlight
from conversion_sync.sync.loop.running import Running
from conversion_sync.sync.loop.slots import AHEAD, ReservedSlots
from conversion_sync.sync.outcomes import Effect, effect
from conversion_sync.sync.retry import retried
from conversion_sync.sync.run import Run, ask_for_nobody
from conversion_sync.sync.transactions import CallInTransaction

__all__ = ["Loop"]

#: Seconds in which the answer to what has gone on may come, before another delivery has the next
#: slot, where each of them counts.
NEXT = 0.05


class Loop:
    """Runs deliveries; each goes on when its slots have come, or its calls have been answered.

    Args:
        on_end: told of each delivery that has ended.

    Attributes:
        no_slot: why the gate lets nothing through, since that was last set to None.
    """

    no_slot: NoSlot | None

    def __init__(self, run: Run, on_end: Callable[[Running], None] = lambda running: None) -> None:
        self.run, self.no_slot = run, None
        self._on_end = on_end
        self._waiting: list[Running] = []
        self._probing: Running | None = None
        self._slots, self._calls = ReservedSlots(run), CallsInFlight(run)
        self._late = deque[LateCall]()

    def close(self) -> None:
        """Let no further call begin, and no thread stay: whatever has ended the loop."""
        self._calls.close()

    def give_back(self) -> None:
        """Let others have the slots that were reserved and are not used."""
        self._slots.give_back()

    def is_busy(self) -> bool:
        """Whether any delivery is under way."""
        return bool(self._waiting) or self._calls.is_busy()

    def in_flight(self, name: str | None = None) -> int:
        """How many calls are on their way, of all deliveries or of those of one name.

        Those count, too, that a delivery is about to make which waits between its calls.
        """
        begun = [r for r in self._waiting if r.has_begun and name in (None, r.name)]
        return self._calls.in_flight(name) + sum(r.step.slots for r in begun)

    def is_waiting(self, name: str | None = None) -> bool:
        """Whether a delivery that holds nothing yet waits for its slots."""
        return any(not r.has_begun and name in (None, r.name) for r in self._waiting)

    def start(self, running: Running) -> None:
        """Let the delivery come as far as it comes without a call."""
        self._go_on(running, partial(next, running.delivery))

    def serve(self) -> float:
        """Let those go on for which a slot has come. Returns seconds until it is time for more.

        Where any has gone on that is soon: another delivery may have the next slot.
        """
        wait, pause = self._serve_late(), TICK
        if wait is not None:
            return wait
        while self._waiting and self._probing is None:
            running = self._waiting[0]
            if not self._has_room(running):
                break
            try:
                wait = self._have_slots(running.step.slots)
            except NoSlot as no_slot:
                self._refuse(no_slot)
                continue
            except (ConfigurationError, CallInTransaction) as error:
                self._waiting.remove(running)
                self._throw(running, error)
                continue
            if wait is None:
                break
            if wait > AHEAD:
                return wait - AHEAD
            self._waiting.remove(running)
            pause = TICK if is_fast() else NEXT
            if isinstance(running.step, Calls):
                slots = self._slots.use(running.step.slots)
                self._begin(running, running.step, slots)
            else:
                running.has_begun = True
                self._go_on(running, partial(running.delivery.send, ()), has_slots=True)
        return pause

    def _serve_late(self) -> float | None:
        """Give another slot to calls that were too late for theirs, before all others.

        Returns:
            Seconds until it is time for more; None: no such call waits.
        """
        late = self._late
        for call in self._calls.newly_late():
            self._slots.missed(call.slot)
            late.append(call)
        while late and self._probing is None:
            try:
                wait = self._have_slots(1)
            except (NoSlot, ConfigurationError, CallInTransaction) as error:
                while late:
                    late.popleft().inbox.put(None)
                if isinstance(error, NoSlot):
                    self._refuse(error)
                return None
            if wait is None:
                return TICK
            if wait > AHEAD:
                return wait - AHEAD
            [slot] = self._slots.use(1)
            late.popleft().inbox.put(slot)
        return None

    def _has_room(self, running: Running) -> bool:
        """Whether no more calls than may be are on their way if those of this delivery begin."""
        under_way = self._calls.in_flight()
        return not under_way or under_way + running.step.slots <= conf.concurrency

    def take_in(self, timeout: float) -> None:
        """Wait for answers for so many seconds, and let those go on that have all of theirs.

        Whatever is raised meanwhile, the answers that have come stay with the loop: another call of
        this goes on with them.
        """
        if errors := self._calls.wait(timeout):
            effects = {effect(error) for error in errors}
            if Effect.FAULT in effects:
                self._slots.look_again()
            if effects & {Effect.LIMITED, Effect.CLOSED}:
                self._slots.drop()
                self._calls.hold_back()
            self.run.report(errors)
        self._calls.settle_singles()
        while running := self._calls.next_complete():
            answers = [answer for answer in running.answers if answer is not None]
            running.answers = []
            self._go_on(running, partial(running.delivery.send, answers))

    def probe_closure(self) -> None:
        """Ask, where it is time, whether what has closed the gate is over."""
        closure = retried(self.run.gate.take_probe)()
        if closure is None:
            return
        # Nobody else may call: this crowds nothing.
        probe = self._probe([Slot(time.monotonic())])
        while not probe.has_ended:
            self.take_in(TICK)
        if probe.result in (Effect.OK, Effect.ANSWERED):
            retried(self.run.gate.lift)(closure)

    # Slots

    def _have_slots(self, count: int) -> float | None:
        """Reserve what is lacking. Returns seconds until the first; None: a probe goes first.

        Raises:
            NoSlot: the gate lets nothing through in the time that is left, or none is left.
            CallInTransaction: this thread has a transaction open.
        """
        wait = self._slots.reserve(count)
        if isinstance(wait, Slots):
            self._probe([Slot(at) for at in wait.times])
            return None
        return wait

    def _refuse(self, no_slot: NoSlot) -> None:
        """Tell those that wait for a slot that there is none."""
        self.no_slot = no_slot
        self._slots.drop()
        waiting, self._waiting = self._waiting, []
        for running in waiting:
            self._throw(running, no_slot)

    def _probe(self, slots: list[Slot]) -> Running:
        """Have a harmless call made before any other."""
        probe = Running("", _probe(), crowds_nobody=True)
        self._probing = probe
        self._slots.drop()
        self.start(probe)
        self._waiting.remove(probe)
        if isinstance(probe.step, Calls):
            self._begin(probe, probe.step, slots)
        return probe

    def _has_probed(self, probe: Running) -> None:
        self._probing = None
        self._slots.drop()
        if probe.error is not None:
            raise probe.error
        if probe.result not in (Effect.OK, Effect.ANSWERED):
            refusal = retried(self.run.gate.refusal)()
            self._refuse(NoSlot(refusal.wait if refusal else 0.0))

    # Deliveries

    def _go_on(
        self,
        running: Running,
        step: Callable[[], SlotsNeeded | Calls],
        *,
        has_slots: bool = False,
    ) -> None:
        """Let a delivery take its next step; where it has its slots, nobody goes before it."""
        try:
            running.step = step()
        except StopIteration as stop:
            running.result = stop.value
        except Exception as error:  # whoever is told of its end decides
            running.error = error
        else:
            self._queue(running, first=has_slots)
            return
        running.has_ended = True
        if running is self._probing:
            self._has_probed(running)
        else:
            self._on_end(running)

    def _queue(self, running: Running, *, first: bool) -> None:
        """Have a delivery wait for its slots: behind those that are as urgent."""
        if running.step.is_urgent:
            running.is_urgent = True
        place = len(self._waiting)
        if running.is_urgent:
            place = sum(each.is_urgent for each in self._waiting)
        self._waiting.insert(0 if first else place, running)

    def _throw(self, running: Running, error: Exception) -> None:
        self._go_on(running, partial(running.delivery.throw, error))

    def _begin(self, running: Running, step: Calls, slots: Sequence[Slot]) -> None:
        try:
            self._calls.begin(running, step, slots)
        except (ConfigurationError, CallInTransaction) as error:
            self._throw(running, error)


def _probe() -> Delivery[Effect]:
    [answer] = yield Calls([ask_for_nobody()], is_probe=True)
    return effect(answer.error)
