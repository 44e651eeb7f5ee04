"""How columns of numbers are read, and of amounts of money."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, ClassVar

from django.utils.translation import gettext as _

from conversion_sync.importing.errors import UnreadableCell
from conversion_sync.importing.reading.numbers import COMMA, POINT, Ballot, parsed
from conversion_sync.importing.reading.readings import NUMBER, Fate, Reading, read_as
from conversion_sync.importing.reading.spoiled import DIGITS, Harm

__all__ = ["Amount", "Number"]


class Number(Reading):
    """Numbers, in the notation that all cells of the column together show."""

    ways: ClassVar[tuple[str, ...]] = (NUMBER, POINT, COMMA)
    fates: Mapping[Harm, Fate] = {Harm.ERROR: Fate.LEFT_OUT}
    is_plain = False

    def __init__(self, way: str = "") -> None:
        super().__init__(way)
        self._ballot = Ballot()
        self._example = ""

    def look(self, cells: Collection[str]) -> None:
        self._ballot.add(cells)
        if not self._example:
            self._example = next((text for text in cells if not text.isdecimal()), "")

    def number(self, text: str) -> Decimal | None:
        """The number of a cell; None if it is none.

        Raises:
            UnreadableCell: it could be one number or another.
        """
        notation = self.way if self.way in (POINT, COMMA) else self._ballot.notation
        if notation:
            return parsed(text, notation)
        point, comma = parsed(text, POINT), parsed(text, COMMA)
        if point is None or comma is None or point == comma:
            return comma if point is None else point
        words = _("this may be %(one)s or %(other)s: say how the column is to be read")
        raise UnreadableCell(words % {"one": _written(point), "other": _written(comma)})

    def read(self, text: str) -> str:
        number = self.number(text)
        if number is None:
            raise UnreadableCell(_("this is no number"))
        written = _written(number)
        if len(written.lstrip("-0.").replace(".", "")) > DIGITS:
            raise UnreadableCell(_("this number is too long: have its column read as text"))
        return written

    def value(self, text: str) -> Any:
        return float(text) if "." in text else int(text)

    @property
    def note(self) -> str:
        example = self._ballot.doubtful or self._example
        try:
            return read_as(example, self.read(example)) if example else ""
        except UnreadableCell:
            return ""


class Amount(Number):
    """US dollars; cents are rounded."""

    ways = ("", POINT, COMMA)

    def read(self, text: str) -> str:
        number = self.number(text)
        if number is not None:
            return _written(number.to_integral_value(ROUND_HALF_UP))
        if any(map(str.isdecimal, text)):
            raise UnreadableCell(_("this is no amount in US dollars"))
        return text


def _written(number: Decimal) -> str:
    return f"{number.normalize():f}"
