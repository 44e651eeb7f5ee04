"""Dates and times, as people and programs write them (pure)."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from typing import Final

__all__ = ["DAY_FIRST", "MONTH_FIRST", "DateBallot", "iso"]

#: What "01/02/2026" is: the first of February, or the second of January.
DAY_FIRST: Final = "day-first"
MONTH_FIRST: Final = "month-first"

_MONTHS = {
    "jan": 1,
    "feb": 2,
    "mar": 3,
    "apr": 4,
    "may": 5,
    "jun": 6,
    "jul": 7,
    "aug": 8,
    "sep": 9,
    "oct": 10,
    "nov": 11,
    "dec": 12,
}
_TIME = (
    r"(?:[\sT,]+(?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<second>\d\d))?(?:[.,]\d+)?"
    r"\s*(?P<half>[ap]\.?m\.?)?\s*(?P<zone>Z|UTC|[+-]\d\d:?\d\d)?)?"
)
_ISO = re.compile(r"\d{4}-\d\d?-\d\d?(?!\d).*", re.DOTALL)
_YEAR_FIRST = re.compile(
    r"(?P<year>\d{4})(?P<sign>[./])(?P<month>\d\d?)(?P=sign)(?P<day>\d\d?)" + _TIME, re.IGNORECASE
)
_YEAR_LAST = re.compile(
    r"(?P<one>\d\d?)(?P<sign>[./-])(?P<two>\d\d?)(?P=sign)(?P<year>\d{4})" + _TIME, re.IGNORECASE
)
_NAMED = re.compile(
    r"(?:(?P<day>\d\d?)[\s.-]+(?P<name>[a-z]{3})[a-z]*[\s.,-]+"
    r"|(?P<name2>[a-z]{3})[a-z]*\.?\s+(?P<day2>\d\d?),?\s+)(?P<year>\d{4})" + _TIME,
    re.IGNORECASE,
)


def iso(text: str, order: str) -> str | None:
    """The date, or the time, as ISO 8601 writes it; None if it is none.

    Args:
        order: ``DAY_FIRST``, ``MONTH_FIRST``, or "" where it can't be told: then a date that
            would be another one in the other order is none.
    """
    if _ISO.fullmatch(text):
        return text
    if found := _YEAR_FIRST.fullmatch(text):
        return _written(found, int(found["month"]), int(found["day"]))
    if found := _NAMED.fullmatch(text):
        month = _MONTHS.get((found["name"] or found["name2"]).lower(), 0)
        return _written(found, month, int(found["day"] or found["day2"]))
    if found := _YEAR_LAST.fullmatch(text):
        return _in_order(found, DAY_FIRST if found["sign"] == "." else order)
    return None


def _in_order(found: re.Match[str], order: str) -> str | None:
    one, two = int(found["one"]), int(found["two"])
    if order:
        month, day = (two, one) if order == DAY_FIRST else (one, two)
        return _written(found, month, day)
    readings = {_written(found, two, one), _written(found, one, two)} - {None}
    return readings.pop() if len(readings) == 1 else None


def _written(found: re.Match[str], month: int, day: int) -> str | None:
    try:
        date = datetime.date(int(found["year"]), month, day)
        if not found["hour"]:
            return date.isoformat()
        time = datetime.time(_hour(found), int(found["minute"]), int(found["second"] or 0))
    except ValueError:
        return None
    return f"{date.isoformat()}T{time.isoformat()}{(found['zone'] or '').replace('UTC', 'Z')}"


def _hour(found: re.Match[str]) -> int:
    hour, half = int(found["hour"]), (found["half"] or "").lower()
    if not half:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError(hour)
    return hour % 12 + (12 if half.startswith("p") else 0)


class DateBallot:
    """In which order a column writes day and month: all of its cells have a say.

    ``doubtful`` is a cell that is a date in both, and not the same; "" while there is none.
    """

    def __init__(self) -> None:
        self._votes = {DAY_FIRST: 0, MONTH_FIRST: 0}
        self.doubtful = ""

    def add(self, cells: Iterable[str]) -> None:
        """Let some cells vote: one that is a date in one order alone."""
        for text in cells:
            day_first, month_first = iso(text, DAY_FIRST), iso(text, MONTH_FIRST)
            if day_first is None or month_first is None:
                self._votes[DAY_FIRST] += day_first is not None
                self._votes[MONTH_FIRST] += month_first is not None
            elif day_first != month_first:
                self.doubtful = self.doubtful or text

    @property
    def order(self) -> str:
        """The order of the column; "" if it can't be told, or changes within it."""
        chosen = [order for order, count in self._votes.items() if count]
        return chosen[0] if len(chosen) == 1 else ""
