"""Whether the database's clock was set since this process read it last."""

from __future__ import annotations

import datetime

__all__ = ["SET_BY", "ClockWatch"]

#: Seconds: clocks that part by less were read on a busy machine, or are being slewed.
SET_BY = 0.5


class ClockWatch:
    """Compares the database's clock with this process's own, which is never set.

    Slots are entered by the clock of the database, and used by that of the process that has them.
    Where the first was set, the slots that are out are not where the gate's row says.
    """

    def __init__(self) -> None:
        self._apart: float | None = None
        self._known_again_at = float("-inf")

    def unknown_for(self, now: datetime.datetime, moment: float, longest: float) -> float:
        """Seconds for which slots may be used that the gate's row does not tell of; 0: none.

        Args:
            now: the time by the database's clock.
            moment: the same, in seconds, by this process's monotonic clock.
            longest: seconds after which a slot that was out when the clock was set bears on none.
        """
        before, self._apart = self._apart, now.timestamp() - moment
        if before is not None and abs(self._apart - before) > SET_BY:
            self._known_again_at = moment + longest
        return max(0.0, self._known_again_at - moment)
