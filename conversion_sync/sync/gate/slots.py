"""Slots: times at which calls may begin."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from conversion_sync.conf import conf
from conversion_sync.sync.gate.margin import WIDEST

__all__ = ["Refusal", "Slots", "farthest_slot", "interval_of"]

#: Seconds after which a slot is too late to be used.
LATE = 0.05


@dataclass(frozen=True)
class Refusal:
    """No slot now; ``wait`` in seconds, or None: nobody knows for how long."""

    wait: float | None


@dataclass
class Slots:
    """Times at which calls may begin, on this process's monotonic clock.

    Attributes:
        probe: the breaker is open, and the first call has to be a harmless one.
    """

    times: list[float] = field(default_factory=list)
    probe: bool = False

    def wait(self, index: int = 0) -> float:
        """Sleep until the slot. Returns for how many seconds."""
        seconds = max(0.0, self.times[index] - time.monotonic())
        time.sleep(seconds)
        return seconds

    def is_late(self, index: int = 0) -> bool:
        """Whether the slot has passed, so that a call would crowd later ones.

        A probe crowds none: nobody else may call.
        """
        return not self.probe and time.monotonic() > self.times[index] + LATE


def farthest_slot() -> float:
    """Seconds: no slot that was reserved lies further ahead."""
    return conf.drain_seconds + (max(conf.concurrency, conf.rate_limit) + 1) * interval_of(WIDEST)


def interval_of(margin: float) -> float:
    """Seconds between two slots, so that no second at the server holds more than the rate."""
    return (1.0 + margin) / conf.rate_limit
