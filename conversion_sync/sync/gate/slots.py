"""Slots: times at which calls may begin."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from conversion_sync.conf import conf
from conversion_sync.sync.gate.margin import WIDEST
from conversion_sync.sync.gate.pace import interval_of, leeway

__all__ = ["LATE", "WIDEST_SLOT", "Refusal", "Slots", "farthest_slot"]

#: Seconds after which a slot is too late to be used: what is left of the margin is for the network,
#: and for clocks that are read a moment apart.
LATE = 0.01

#: Seconds: the most by which a call may begin later than its slot says.
WIDEST_SLOT = 0.25


@dataclass(frozen=True)
class Refusal:
    """No slot now; ``wait`` in seconds, or None: nobody knows for how long."""

    wait: float | None


@dataclass
class Slots:
    """Times at which calls may begin, on this process's monotonic clock.

    Attributes:
        probe: the breaker is open, and the first call has to be a harmless one.
        width: seconds by which each call may begin later than its time.
    """

    times: list[float] = field(default_factory=list)
    probe: bool = False
    width: float = 0.0

    def wait(self, index: int = 0) -> float:
        """Sleep until the slot. Returns for how many seconds."""
        seconds = max(0.0, self.times[index] - time.monotonic())
        time.sleep(seconds)
        return seconds

    def is_late(self, index: int = 0) -> bool:
        """Whether the slot has passed, so that a call would crowd later ones.

        A probe crowds none: nobody else may call.
        """
        may_be_late = self.width + leeway() + LATE
        return not self.probe and time.monotonic() > self.times[index] + may_be_late


def farthest_slot() -> float:
    """Seconds: no slot that was reserved lies further ahead."""
    steps = conf.concurrency + max(1.0, conf.rate_limit) + 1
    return conf.drain_seconds + steps * interval_of(WIDEST) + conf.concurrency * WIDEST_SLOT
