"""How columns of dates and times are read."""

from __future__ import annotations

from typing import ClassVar

from django.utils.translation import gettext as _

from conversion_sync.importing.errors import UnreadableCell
from conversion_sync.importing.reading.dates import DAY_FIRST, MONTH_FIRST, DateBallot, iso
from conversion_sync.importing.reading.readings import DATE
from conversion_sync.importing.reading.voted import VotedReading, ambiguous

__all__ = ["DateOrTime", "Moment"]


class DateOrTime(VotedReading[DateBallot]):
    """Dates and times, in the order of day and month that all cells of the column together show."""

    ways: ClassVar[tuple[str, ...]] = (DATE, DAY_FIRST, MONTH_FIRST)
    ballot = DateBallot

    @property
    def _order(self) -> str:
        return self.way if self.way in (DAY_FIRST, MONTH_FIRST) else self._ballot.order

    def read(self, text: str) -> str:
        if found := iso(text, self._order):
            return found
        if iso(text, DAY_FIRST) and not self._order:
            raise ambiguous(iso(text, DAY_FIRST), iso(text, MONTH_FIRST))
        return self._other(text)

    def _other(self, text: str) -> str:
        raise UnreadableCell(_("this is no date"))


class Moment(DateOrTime):
    """When something occurred."""

    ways = ("", DAY_FIRST, MONTH_FIRST)

    def _other(self, text: str) -> str:
        # The field itself says what is wrong with it.
        return text
