"""One call in its own thread: it begins in its slot, or not at all."""

from __future__ import annotations

import threading
import time
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

from conversion_sync.api import Client, NoAnswer, NotSent, Withheld
from conversion_sync.api.request import Answer, Request
from conversion_sync.conf import conf
from conversion_sync.sync.leases import Lease

__all__ = ["TICK", "CallSlot", "SlotInbox", "is_silent", "make_call"]

#: Where a call is told when its next slot is; None: it has none.
SlotInbox: TypeAlias = "SimpleQueue[float | None]"

#: Seconds after which ``stop`` is asked again, whatever is waited for.
TICK = 0.2

#: Seconds before its slot at which a call connects: it begins when its slot has come.
CONNECTING = 0.3

#: Seconds after its slot at which a call would meet others: the gate's slots are further apart than
#: that in all, and the network needs the rest.
TOO_LATE = 0.1

#: Said of a call that was not made because of what came of another one.
SETBACK = "Another call was refused meanwhile; it comes again."


class CallSlot:
    """When a call may begin, as its own thread sees it.

    Args:
        slot: on the monotonic clock.
        setback: set when no further call may be made: another was answered so, or the loop answer.
        asked: who comes too late asks there for another slot; None: it may be late.
    """

    def __init__(
        self, slot: float, setback: threading.Event, asked: SimpleQueue[SlotInbox] | None
    ) -> None:
        self.setback = setback
        self._slot, self._asked = slot, asked

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
            if self._asked is None or time.monotonic() <= self._slot + TOO_LATE:
                return
            self._slot = self._another(self._asked)

    def _is_set_back(self, ahead: float) -> bool:
        return self.setback.wait(max(0.0, self._slot - ahead - time.monotonic()))

    def _another(self, asked: SimpleQueue[SlotInbox]) -> float:
        inbox: SlotInbox = SimpleQueue()
        asked.put(inbox)
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
