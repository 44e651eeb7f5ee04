"""Whether the database's clock was set since this process read it last."""

from __future__ import annotations

import datetime

__all__ = ["SET_BY", "ClockWatch"]

#: Seconds: clocks that part by less are being slewed.
SET_BY = 0.5


class ClockWatch:
    """Compares the database's clock with this process's own, which is never set.

    Slots are entered by the clock of the database, and used by that of the process that has them.
    Where the first was set, the slots that are out are not where the gate's row says.
    """

    def __init__(self) -> None:
        #: By how many seconds the clocks are apart: at least, and at most.
        self._apart: tuple[float, float] | None = None
        self._known_again_at = float("-inf")

    def unknown_for(
        self, now: datetime.datetime, asked: float, answered: float, longest: float
    ) -> float:
        """Seconds for which slots may be used that the gate's row does not tell of; 0: none.

        Args:
            now: the time by the database's clock.
            asked: when it was asked for that, in seconds of this process's monotonic clock.
            answered: when its answer was there. On a busy machine that may be seconds later.
            longest: seconds after which a slot that was out when the clock was set bears on none.
        """
        before, self._apart = self._apart, (now.timestamp() - answered, now.timestamp() - asked)
        if before is not None and _gap(before, self._apart) > SET_BY:
            self._known_again_at = answered + longest
        return max(0.0, self._known_again_at - answered)


def _gap(one: tuple[float, float], other: tuple[float, float]) -> float:
    """What lies between two ranges; below 0 where they overlap."""
    return max(one[0], other[0]) - min(one[1], other[1])
