"""Which slots there are; pure.

Of any ``at_most + 1`` slots the last is ``span`` seconds after the first: that is the rate.
They are even as long as all are used. Where some were not (nothing was there to send, a worker was
held up), others come closer in their place, until it is made up for.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass

from conversion_sync.conf import conf

__all__ = ["Pace", "interval_of", "is_fast", "leeway", "pace_of"]

#: Up to this rate each slot is looked at. Above it one that is missed is little: they are even,
#: with a margin of this share at least, and calls may be later by so many seconds.
REMEMBERED, FAST_MARGIN, FAST_LATE = 20, 0.15, 0.09

#: The share of an even step that two slots are apart at least.
CLOSEST = 0.5

#: Seconds: what is less comes of how the times are written.
TINY = 0.000_01


@dataclass(frozen=True)
class Pace:
    """How close slots may follow each other.

    Attributes:
        at_most: so many slots may lie within ``span`` seconds.
        apart: seconds between two slots, at least.
    """

    at_most: int
    span: float
    apart: float

    def recent(self, taken: Sequence[float], now: float) -> list[float]:
        """The slots that bear on the next one, the earliest first.

        After a while without any it is as if they had been taken evenly, so that the next ones are.
        """
        recent = sorted(slot for slot in taken if slot > now - self.span)
        step = self.span / self.at_most
        return recent or [now - count * step for count in range(self.at_most - 1, 0, -1)]

    def add(self, recent: list[float], earliest: float, width: float = 0.0) -> float:
        """Take the first slot that fits among the others, and enter it there.

        Args:
            recent: those that bear on it, the earliest first.
            earliest: it is not before that, and not before the first of the others.
            width: seconds by which its call may begin later: it is entered as if it did.
        """
        earliest = max([earliest, *recent[:1]])
        after = {slot + wait for slot in recent for wait in (self.apart, self.span)}
        begins = sorted({earliest, *(each for each in after if each > earliest)})
        slot = next(each for each in begins if self._fits(recent, each, each + width))
        insort(recent, slot + width)
        return slot

    def _fits(self, recent: list[float], begin: float, end: float) -> bool:
        """Whether a call may begin at any time between these."""
        place = bisect_left(recent, begin)
        before, behind = recent[max(0, place - self.at_most) : place], recent[place:]
        if before and begin - before[-1] < self.apart - TINY:
            return False
        if behind and behind[0] - end < self.apart - TINY:
            return False
        if len(before) == self.at_most and begin - before[0] < self.span - TINY:
            return False
        # Those on both sides that are as many as may be, with this one in between.
        around = [*before[max(0, len(before) - self.at_most + 1) :], end, *behind[: self.at_most]]
        pairs = zip(around, around[self.at_most :], strict=False)
        return all(last - first >= self.span - TINY for first, last in pairs)


def pace_of(margin: float, *, evenly: bool = False) -> Pace:
    """The pace of the rate that is set.

    Args:
        margin: by so much longer than the rate says, so that no second at the server holds more.
        evenly: no slot comes closer to another because some were not used.
    """
    rate, step = _rate(), interval_of(margin)
    at_most = int(rate) if 1 <= rate <= REMEMBERED else 1
    return Pace(at_most, at_most * step, step if evenly else CLOSEST * step)


def interval_of(margin: float) -> float:
    """Seconds between two slots that are taken evenly."""
    return (1.0 + (max(margin, FAST_MARGIN) if is_fast() else margin)) / _rate()


def _rate() -> float:
    """Calls a second: of 3.5 three, for with a fourth a second would hold more than the rate."""
    rate = conf.rate_limit
    return float(int(rate)) if rate >= 1 else rate


def is_fast() -> bool:
    """Whether the rate is so high that no single slot counts."""
    return conf.rate_limit > REMEMBERED


def leeway() -> float:
    """Seconds by which a call may begin later than it could at a low rate."""
    return FAST_LATE if is_fast() else 0.0
