"""The calls of a loop's deliveries that are on their way, and their answers."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

from conversion_sync.api import Bug, ContentRefused, ConversionError, NotSent, Withheld
from conversion_sync.api.request import Answer
from conversion_sync.api.workers import Work, Workers
from conversion_sync.sync.call_log import log_calls
from conversion_sync.sync.deliveries import Calls, LoggedAnswer
from conversion_sync.sync.error_text import is_of_the_database
from conversion_sync.sync.leases import HELD_TOO_LONG
from conversion_sync.sync.loop.call import TICK, CallSlot, LateCall, Slot, is_silent, make_call
from conversion_sync.sync.loop.running import Running
from conversion_sync.sync.outcomes import success
from conversion_sync.sync.remote import client
from conversion_sync.sync.run import Run

__all__ = ["CallsInFlight"]

logger = logging.getLogger(__name__)

#: Whose call it was, its place among theirs, and the answer.
_Answered: TypeAlias = tuple[Running, int, Answer[Any]]


class CallsInFlight:
    """Makes calls in threads, and hears their answers in the loop's own."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._calling: list[Running] = []
        self._setback = threading.Event()
        self._heard = SimpleQueue[_Answered | LateCall]()
        self._complete = deque[Running]()
        self._partly: list[tuple[Running, Sequence[int]]] = []
        self._late: list[LateCall] = []
        self._workers = Workers()

    def close(self) -> None:
        """Let no further call begin, and no thread stay."""
        self._setback.set()
        self._workers.close()

    def is_busy(self) -> bool:
        """Whether any delivery has calls on their way, or answers that it was not sent yet."""
        return bool(self._calling or self._complete)

    def in_flight(self, name: str | None = None) -> int:
        """How many calls are on their way, of all deliveries or of those of one name."""
        return sum(each.in_flight for each in self._calling if name in (None, each.name))

    def begin(self, running: Running, step: Calls, slots: Sequence[Slot]) -> None:
        """Make the calls of a step, each in its slot.

        Raises:
            ConfigurationError: the key or the URL can't be used.
            CallInTransaction: this thread has a transaction open.
        """
        api = client(self._run.call_deadline)
        late, lease = set[int](), None
        if step.claim is not None:
            late, lease = step.claim.out_of_time(set().union(*step.pks)), step.claim.lease
        running.answers = [None] * len(step.requests)
        if not step.is_probe:
            running.is_silent = False
        self._calling.append(running)
        for index, request in enumerate(step.requests):
            if late and not late.isdisjoint(step.pks[index]):
                self._end_unsent(running, index, Withheld(HELD_TOO_LONG))
                continue
            ask = None if running.crowds_nobody else self._heard.put
            slot = CallSlot(slots[index], self._setback, ask)
            call = partial(make_call, api, request, slot, lease)
            work = partial(self._call, call, running, index)
            try:
                self._workers.submit(Work(work, threading.Event()))
            except RuntimeError:
                logger.warning("A call was not made.", exc_info=True)
                self._end_unsent(running, index, NotSent("No thread could be started."))

    def newly_late(self) -> list[LateCall]:
        """Those that came too late for their slot, and wait to be told of another; each once."""
        late, self._late = self._late, []
        return late

    def hold_back(self) -> None:
        """Let what has its slot, and was not sent yet, not be sent."""
        self._setback.set()
        self._setback = threading.Event()

    def wait(self, timeout: float) -> list[ConversionError | None]:
        """Wait for answers for so many seconds, and keep what has come, and who is late.

        Returns:
            How the calls ended, as far as that tells anything of the channel.
        """
        heard: list[_Answered | LateCall] = []
        timeout = 0.0 if self._complete else timeout
        try:
            heard.append(self._heard.get(timeout=max(0.0, min(timeout, TICK))))
            while True:
                heard.append(self._heard.get_nowait())
        except Empty:
            pass
        self._late += [each for each in heard if isinstance(each, LateCall)]
        came = [each for each in heard if not isinstance(each, LateCall)]
        return self._hear(came) if came else []

    def settle_singles(self) -> None:
        """Settle rows that arrived just now, whose deliveries still wait for other answers."""
        partly, self._partly = self._partly, []
        for running, places in partly:
            if isinstance(running.step, Calls) and running.step.are_singles:
                self._settle(running, running.step, places)

    def _settle(self, running: Running, step: Calls, places: Sequence[int]) -> None:
        answers = {place: running.answers[place] for place in places}
        outcomes = {
            pk: success(answer.result, answer.call)
            for place, answer in answers.items()
            if answer is not None and answer.error is None
            for pk in step.pks[place]
        }
        if step.claim is None or not outcomes:
            return
        try:
            self._run.settle(step.claim, outcomes)
        except Exception as error:  # the delivery settles them again, and is told what is wrong
            if is_of_the_database(error):
                raise
            logger.warning("What has arrived can't be settled yet.", exc_info=True)

    def next_complete(self) -> Running | None:
        """A delivery all of whose calls have been answered, each once; None: there is none."""
        return self._complete.popleft() if self._complete else None

    def _call(self, call: Callable[[], Answer[Any]], running: Running, index: int) -> None:
        """Make a call in this thread, which is its own."""
        try:
            answer = call()
        except BaseException as error:  # the edge of the thread: the row records it
            logger.exception("A call failed by a mistake of this program.")
            answer = Answer(None, Bug(repr(error)), None)
        self._heard.put((running, index, answer))

    def _end_unsent(self, running: Running, index: int, error: ConversionError) -> None:
        self._heard.put((running, index, Answer(None, error, None)))

    def _hear(self, came: Sequence[_Answered]) -> list[ConversionError | None]:
        """Keep the answers, before anything is done about them.

        Returns:
            What tells something of the channel: a content that is refused may be the fault of its
            row.
        """
        self._run.made += sum(not isinstance(answer.error, Withheld) for _, _, answer in came)
        # What did not begin is no call: it would be counted, and as one that ended in an error.
        records = [
            None if isinstance(answer.error, Withheld) else answer.record for _, _, answer in came
        ]
        lines = log_calls(self._run.using, records)
        for (running, index, answer), line in zip(came, lines, strict=True):
            running.answers[index] = LoggedAnswer(answer.result, answer.error, line)
            if is_silent(answer) and not running.step.is_probe:
                running.is_silent = True
        for running in dict.fromkeys(each for each, _, _ in came):
            if running.in_flight:
                self._partly.append((running, [i for each, i, _ in came if each is running]))
            else:
                self._calling.remove(running)
                self._complete.append(running)
        return [
            answer.error
            for running, _, answer in came
            if not (isinstance(answer.error, ContentRefused) and running.step.carries_rows)
        ]
