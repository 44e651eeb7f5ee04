"""How columns of dates and times are read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import ClassVar

from django.utils.translation import gettext as _

from conversion_sync.importing.errors import UnreadableCell
from conversion_sync.importing.reading.dates import DAY_FIRST, MONTH_FIRST, DateBallot, iso
from conversion_sync.importing.reading.readings import DATE, Fate, Reading, read_as
from conversion_sync.importing.reading.spoiled import Harm

__all__ = ["DateOrTime", "Moment"]


class DateOrTime(Reading):
    """Dates and times, in the order of day and month that all cells of the column together show."""

    ways: ClassVar[tuple[str, ...]] = (DATE, DAY_FIRST, MONTH_FIRST)
    fates: Mapping[Harm, Fate] = {Harm.ERROR: Fate.LEFT_OUT}
    is_plain = False

    def __init__(self, way: str = "") -> None:
        super().__init__(way)
        self._ballot = DateBallot()
        self._example = ""

    def look(self, cells: Collection[str]) -> None:
        self._ballot.add(cells)
        if not self._example:
            self._example = next(iter(cells), "")

    @property
    def _order(self) -> str:
        return self.way if self.way in (DAY_FIRST, MONTH_FIRST) else self._ballot.order

    def read(self, text: str) -> str:
        if found := iso(text, self._order):
            return found
        if iso(text, DAY_FIRST) and not self._order:
            raise UnreadableCell(
                _("this may be %(one)s or %(other)s: say how the column is to be read")
                % {"one": iso(text, DAY_FIRST), "other": iso(text, MONTH_FIRST)}
            )
        return self._other(text)

    def _other(self, text: str) -> str:
        raise UnreadableCell(_("this is no date"))

    @property
    def note(self) -> str:
        example = self._ballot.doubtful or self._example
        try:
            return read_as(example, self.read(example)) if example else ""
        except UnreadableCell:
            return ""


class Moment(DateOrTime):
    """When something occurred."""

    ways = ("", DAY_FIRST, MONTH_FIRST)

    def _other(self, text: str) -> str:
        # The field itself says what is wrong with it.
        return text
