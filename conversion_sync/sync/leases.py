"""How much of a claim's lease is left, by clocks that tell of a worker that slept."""

from __future__ import annotations

import time

from conversion_sync.api.errors import Withheld
from conversion_sync.conf import conf

__all__ = ["HELD_TOO_LONG", "Lease", "clocks"]


def clocks() -> tuple[float, ...]:
    """The clocks of this process, in seconds.

    One goes on while the machine is suspended, where the system has such a clock; that of the wall
    is set right after a machine was paused from outside.
    """
    counted = getattr(time, "CLOCK_BOOTTIME", None)
    running = time.monotonic() if counted is None else time.clock_gettime(counted)
    return running, time.time()


class Lease:
    """A lease that begins now: made before the transaction that writes it down."""

    def __init__(self) -> None:
        self._began = clocks()

    def left(self) -> float:
        """Seconds that are left, by the clock for which most time has passed."""
        passed = max(now - began for now, began in zip(clocks(), self._began, strict=True))
        return conf.lease - passed

    def check(self) -> None:
        """See that a call that begins now ends before the lease does.

        Raises:
            Withheld: it may not.
        """
        if self.left() < conf.call_deadline:
            raise Withheld(HELD_TOO_LONG)


#: Said of what a worker held for too long before it was to be sent.
HELD_TOO_LONG = "Its worker had stopped for a while; it is claimed anew."
