"""Running deliveries side by side: their slots, their calls in threads, and their answers.

All work on the database is done in the thread that runs the loop; the others only make calls.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from conversion_sync.api import (
    Bug,
    ConfigurationError,
    ContentRefused,
    NotSent,
    Withheld,
)
from conversion_sync.api.request import Answer as Ended
from conversion_sync.api.workers import Job, Workers
from conversion_sync.conf import conf
from conversion_sync.sync.call_log import log_calls
from conversion_sync.sync.deliveries import Answer, Calls, Delivery, Shut, SlotsNeeded
from conversion_sync.sync.gate import LATE, Refusal
from conversion_sync.sync.leases import WORDS
from conversion_sync.sync.loop.call import TICK, CallSlot, SlotInbox, is_silent, make_call
from conversion_sync.sync.loop.running import Running, carries_rows, is_probe, slots_of
from conversion_sync.sync.outcomes import Effect, effect
from conversion_sync.sync.remote import client
from conversion_sync.sync.retry import retried
from conversion_sync.sync.run import Run, ask_for_nobody
from conversion_sync.sync.transactions import CallInTransaction, refuse_transaction

__all__ = ["Loop"]


logger = logging.getLogger(__name__)

#: Seconds before its slot at which a delivery goes on: as long as a claim takes.
AHEAD = 0.1

#: Seconds of waiting for a slot after which the gate may have been shut meanwhile.
SOON = 0.5


class Loop:
    """Runs deliveries; each goes on when its slots have come, or its calls have been answered.

    Args:
        on_end: told of each delivery that has ended.

    Attributes:
        shut: why the gate lets nothing through, since that was last set to None.
    """

    def __init__(self, run: Run, on_end: Callable[[Running], None] = lambda running: None) -> None:
        self.run, self.shut = run, None
        self._on_end = on_end
        self._waiting: list[Running] = []
        self._calling: list[Running] = []
        self._slots: list[float] = []
        self._look_again = False
        self._probing: Running | None = None
        self._setback = threading.Event()
        self._answered = SimpleQueue[tuple[Running, int, Ended[Any]]]()
        self._complete = deque[Running]()
        self._asked = SimpleQueue[SlotInbox]()
        self._late = deque[SlotInbox]()
        self._workers = Workers()

    shut: Shut | None

    def close(self) -> None:
        """Let no further call begin, and no thread stay: whatever has ended the loop."""
        self._setback.set()
        self._workers.close()

    def is_busy(self) -> bool:
        """Whether any delivery is under way."""
        return bool(self._waiting or self._calling or self._complete)

    def in_flight(self, name: str | None = None) -> int:
        """How many calls are on their way, of all deliveries or of those of one name.

        Those count, too, that a delivery is about to make which waits between its calls.
        """
        waiting = [r for r in self._waiting if r.has_begun]
        calls = [(r.name, r.in_flight) for r in self._calling]
        calls += [(r.name, slots_of(r.step)) for r in waiting]
        return sum(count for each, count in calls if name in (None, each))

    def is_chosen(self, name: str | None = None) -> bool:
        """Whether a delivery that holds nothing yet waits for its slots."""
        return any(not r.has_begun and name in (None, r.name) for r in self._waiting)

    def start(self, running: Running) -> None:
        """Let the delivery come as far as it comes without a call."""
        self._go_on(running, partial(next, running.delivery))

    def serve(self) -> float:
        """Let those go on for which a slot has come. Returns seconds until it is time for more."""
        wait = self._serve_late()
        if wait is not None:
            return wait
        while self._waiting and self._probing is None:
            running = self._waiting[0]
            if not self._has_room(running):
                break
            try:
                wait = self._have_slots(slots_of(running.step))
            except Shut as shut:
                self._close(shut)
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
            if isinstance(running.step, Calls):
                self._begin(running, running.step)
            else:
                running.has_begun = True
                self._go_on(running, partial(running.delivery.send, ()), has_slots=True)
        return TICK

    def _serve_late(self) -> float | None:
        """Give another slot to calls that were too late for theirs, before all others.

        Returns:
            Seconds until it is time for more; None: no such call waits.
        """
        while not self._asked.empty():
            self._late.append(self._asked.get())
        while self._late and self._probing is None:
            try:
                wait = self._have_slots(1)
            except (Shut, ConfigurationError, CallInTransaction) as error:
                while self._late:
                    self._late.popleft().put(None)
                if isinstance(error, Shut):
                    self._close(error)
                return None
            if wait is None:
                return TICK
            if wait > AHEAD:
                return wait - AHEAD
            self._late.popleft().put(self._slots.pop(0))
        return None

    def _has_room(self, running: Running) -> bool:
        """Whether no more calls than may be are on their way if those of this delivery begin."""
        under_way = sum(each.in_flight for each in self._calling)
        return not under_way or under_way + slots_of(running.step) <= conf.concurrency

    def take_in(self, timeout: float) -> None:
        """Wait for answers for so many seconds, and let those go on that have all of theirs.

        Whatever is raised meanwhile, the answers that have come stay with the loop: another call of
        this goes on with them.
        """
        came: list[tuple[Running, int, Ended[Any]]] = []
        timeout = 0.0 if self._complete else timeout
        try:
            came.append(self._answered.get(timeout=max(0.0, min(timeout, TICK))))
            while True:
                came.append(self._answered.get_nowait())
        except Empty:
            pass
        if came:
            self._hear(came)
        while self._complete:
            running = self._complete.popleft()
            answers = [answer for answer in running.answers if answer is not None]
            running.answers = []
            self._go_on(running, partial(running.delivery.send, answers))

    def probe_closure(self) -> None:
        """Ask, where it is time, whether what has closed the gate is over."""
        closure = retried(self.run.gate.take_probe)()
        if closure is None:
            return
        # Nobody else may call: this crowds nothing.
        probe = self._probe([time.monotonic()])
        while not probe.has_ended:
            self.take_in(TICK)
        if probe.result in (Effect.OK, Effect.ANSWERED):
            retried(self.run.gate.lift)(closure)

    # Slots

    def _have_slots(self, count: int) -> float | None:
        """Reserve what is lacking. Returns seconds until the first; None: a probe goes first.

        Raises:
            Shut: the gate lets nothing through in the time that is left, or none is left.
            CallInTransaction: this thread has a transaction open.
        """
        refuse_transaction()
        if self.run.time_left() <= 0:
            raise Shut(0.0)
        now = time.monotonic()
        self._slots = [slot for slot in self._slots if slot + LATE >= now]
        lacking = count - len(self._slots)
        if lacking > 0:
            within = self.run.time_left()
            taken = retried(self.run.gate.take)(lacking, within=within)
            if isinstance(taken, Refusal):
                raise Shut(taken.wait)
            if taken.probe:
                self._probe(taken.times)
                return None
            self._slots += taken.times
            self._look_again = self._slots[0] - time.monotonic() > SOON
        wait = self._slots[0] - time.monotonic()
        if wait <= AHEAD and self._look_again:
            self._see_that_it_is_open()
        return wait

    def _see_that_it_is_open(self) -> None:
        """See that nobody has shut the gate since the slots were reserved."""
        self._look_again = False
        if refusal := retried(self.run.gate.refusal)():
            raise Shut(refusal.wait)

    def _close(self, shut: Shut) -> None:
        """Tell those that wait for a slot that there is none."""
        self.shut, self._slots = shut, []
        waiting, self._waiting = self._waiting, []
        for running in waiting:
            self._throw(running, shut)

    def _probe(self, slots: list[float]) -> Running:
        """Have a harmless call made before any other."""
        probe = Running("", _probe(), crowds_nobody=True)
        self._probing = probe
        self._slots = []
        self.start(probe)
        self._waiting.remove(probe)
        self._slots = slots
        if isinstance(probe.step, Calls):
            self._begin(probe, probe.step)
        return probe

    def _has_probed(self, probe: Running) -> None:
        self._probing, self._slots = None, []
        if probe.error is not None:
            raise probe.error
        if probe.result not in (Effect.OK, Effect.ANSWERED):
            refusal = retried(self.run.gate.refusal)()
            self._close(Shut(refusal.wait if refusal else 0.0))

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
        if isinstance(running.step, SlotsNeeded) and running.step.is_urgent:
            running.is_urgent = True
        place = len(self._waiting)
        if running.is_urgent:
            place = sum(each.is_urgent for each in self._waiting)
        self._waiting.insert(0 if first else place, running)

    def _throw(self, running: Running, error: Exception) -> None:
        self._go_on(running, partial(running.delivery.throw, error))

    # Calls

    def _begin(self, running: Running, step: Calls) -> None:
        """Make the calls, each in its slot."""
        count = len(step.requests)
        slots, self._slots = self._slots[:count], self._slots[count:]
        try:
            api = client()
        except (ConfigurationError, CallInTransaction) as error:
            self._throw(running, error)
            return
        late, lease = set[int](), None
        if step.claim is not None:
            late, lease = step.claim.out_of_time(set().union(*step.pks)), step.claim.lease
        setback = self._setback
        running.answers = [None] * count
        if not step.is_probe:
            running.is_silent = False
        self._calling.append(running)
        for index, request in enumerate(step.requests):
            if late and not late.isdisjoint(step.pks[index]):
                withheld: Ended[Any] = Ended(None, Withheld(WORDS), None)
                self._answered.put((running, index, withheld))
                continue
            turn = CallSlot(slots[index], setback, None if running.crowds_nobody else self._asked)
            call = partial(make_call, api, request, turn, lease)
            job = partial(self._call, call, running, index)
            try:
                self._workers.submit(Job(job, threading.Event()))
            except RuntimeError:
                logger.warning("A call was not made.", exc_info=True)
                unsent: Ended[Any] = Ended(None, NotSent("No thread could be started."), None)
                self._answered.put((running, index, unsent))

    def _call(self, call: Callable[[], Ended[Any]], running: Running, index: int) -> None:
        """Make a call in this thread, which is its own."""
        try:
            ended = call()
        except BaseException as error:  # the edge of the thread: the row records it
            logger.exception("A call failed by a mistake of this program.")
            ended = Ended(None, Bug(repr(error)), None)
        self._answered.put((running, index, ended))

    def _hear(self, came: list[tuple[Running, int, Ended[Any]]]) -> None:
        """Keep what the calls ended in, before anything is done about it."""
        run = self.run
        run.made += sum(not isinstance(ended.error, Withheld) for _, _, ended in came)
        lines = log_calls(run.using, [ended.record for _, _, ended in came])
        for (running, index, ended), line in zip(came, lines, strict=True):
            running.answers[index] = Answer(ended.result, ended.error, line)
            if is_silent(ended) and not is_probe(running.step):
                running.is_silent = True
        partly = list[Running]()
        for running in dict.fromkeys(each for each, _, _ in came):
            if running.in_flight:
                partly.append(running)
            else:
                self._calling.remove(running)
                self._complete.append(running)
        # A content that is refused may be the fault of its row.
        errors = [
            ended.error
            for running, _, ended in came
            if not (isinstance(ended.error, ContentRefused) and carries_rows(running.step))
        ]
        effects = {effect(error) for error in errors}
        self._look_again |= Effect.FAULT in effects
        if effects & {Effect.LIMITED, Effect.CLOSED}:
            # The gate is shut: what has its slot, and was not sent yet, is not sent now.
            self._slots = []
            self._setback.set()
            self._setback = threading.Event()
        run.report(errors)
        for running in partly:
            _tell(running, [index for each, index, _ in came if each is running])


def _tell(running: Running, places: Sequence[int]) -> None:
    """Have a delivery told of some of its answers."""
    step = running.step
    if isinstance(step, Calls) and step.on_answers is not None:
        answers = {place: running.answers[place] for place in places}
        step.on_answers({place: answer for place, answer in answers.items() if answer is not None})


def _probe() -> Delivery[Effect]:
    [answer] = yield Calls([ask_for_nobody()], is_probe=True)
    return effect(answer.error)
