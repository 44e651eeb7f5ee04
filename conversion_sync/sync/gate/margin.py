"""How much further apart slots are than the rate says: more for a while after a 429; pure."""

from __future__ import annotations

import datetime

__all__ = ["WIDEST", "margin", "widened"]

#: Shares of the time between two calls: the margin as it is, and the widest.
NARROWEST, WIDEST = 0.05, 0.6

#: What the first 429 adds; each further one doubles what is there, and adds as much again.
WIDENING = 0.1

#: Seconds without a 429 in which half of what was added is taken back.
QUIET = 60.0

#: What is less than that is nothing.
LEAST = 0.005


def margin(extra: float, widened_at: datetime.datetime | None, now: datetime.datetime) -> float:
    """The margin at this moment.

    Args:
        extra: what was added at ``widened_at``; None: nothing was. A time that lies ahead is of a
            clock that was set back, and adds nothing.
    """
    return NARROWEST + _left(extra, widened_at, now)


def widened(extra: float, widened_at: datetime.datetime | None, now: datetime.datetime) -> float:
    """What is added from now on, after one more 429; the arguments are those of `margin`."""
    return min(WIDEST - NARROWEST, 2 * _left(extra, widened_at, now) + WIDENING)


def _left(extra: float, widened_at: datetime.datetime | None, now: datetime.datetime) -> float:
    if widened_at is None or widened_at > now:
        return 0.0
    quiet = (now - widened_at).total_seconds()
    left: float = extra * 0.5 ** (quiet / QUIET)
    return left if left >= LEAST else 0.0
