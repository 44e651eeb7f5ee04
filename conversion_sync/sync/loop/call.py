"""One call in its own thread: it begins in its slot, or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from conversion_sync.api import Client, NoAnswer, NotSent, Withheld
from conversion_sync.api.request import Answer, Request
from conversion_sync.conf import conf
from conversion_sync.sync.gate import LATE
from conversion_sync.sync.leases import Lease

__all__ = ["TICK", "CallSlot", "LateCall", "Slot", "is_silent", "make_call"]

#: Seconds after which ``stop`` is asked again, whatever is waited for.
TICK = 0.2

#: Seconds before its slot at which a call connects: it begins when its slot has come.
CONNECTING = 0.3

#: Seconds after its slot at which a call could meet others, and takes another one.
TOO_LATE = LATE

#: Said of a call that was not made because of what came of another one, or for want of a slot.
SETBACK = "It did not begin: another call was refused, or no time was left. It comes again."


class Slot(NamedTuple):
    """When a call may begin, on the monotonic clock.

    Attributes:
        width: seconds by which it may be later than ``at``.
    """

    at: float
    width: float = 0.0

    def is_late(self, now: float) -> bool:
        """Whether the slot has passed, so that a call would crowd later ones."""
        return now > self.at + self.width + TOO_LATE


class LateCall(NamedTuple):
    """A call that came too late for its slot.

    Attributes:
        slot: in which nothing has begun.
        inbox: where it waits to be told when its next slot is; None: it has none.
    """

    slot: Slot
    inbox: SimpleQueue[Slot | None]


class CallSlot:
    """When a call may begin, as its own thread sees it.

    Args:
        setback: set when no further call may be made: another was answered so, or the loop answer.
        ask: how a call that is too late asks for another slot; None: it may be late.
    """

    def __init__(
        self, slot: Slot, setback: threading.Event, ask: Callable[[LateCall], None] | None
    ) -> None:
        self.setback = setback
        self._slot, self._ask = slot, ask

    def comes_soon(self) -> bool:
        """Wait until it is time to connect. Returns whether the call may still be made."""
        return not self._is_set_back(CONNECTING)

    def wait(self) -> None:
        """Wait until the call may begin: now, and not a moment ago.

        Raises:
            Withheld: it may not.
        """
        while True:
            if self._is_set_back(0.0):
                raise Withheld(SETBACK)
            if self._ask is None or not self._slot.is_late(time.monotonic()):
                return
            self._slot = self._another(self._ask)

    def _is_set_back(self, ahead: float) -> bool:
        return self.setback.wait(max(0.0, self._slot.at - ahead - time.monotonic()))

    def _another(self, ask: Callable[[LateCall], None]) -> Slot:
        inbox = SimpleQueue[Slot | None]()
        ask(LateCall(self._slot, inbox))
        while not self.setback.is_set():
            try:
                slot = inbox.get(timeout=TICK)
            except Empty:
                continue
            if slot is not None:
                return slot
            break
        raise Withheld(SETBACK)


def make_call(
    api: Client,
    request: Request[Any],
    slot: CallSlot,
    lease: Lease | None,
) -> Answer[Any]:
    """Make a call in its slot, by a connection that is open before.

    Args:
        lease: of the rows that it carries; None: it carries none.
    """

    def check() -> None:
        if slot.setback.is_set():
            raise Withheld(SETBACK)
        if lease is not None:
            lease.check()

    if not slot.comes_soon():
        return Answer(None, Withheld(SETBACK), None)
    return api.make(request, before_sending=check, turn=slot.wait)


def is_silent(answer: Answer[Any]) -> bool:
    """Whether the call took long and got no answer, so that more of its kind would too."""
    return (
        isinstance(answer.error, NoAnswer | NotSent)
        and answer.record is not None
        and answer.record.duration >= conf.call_deadline / 2
    )
