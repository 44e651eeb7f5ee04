"""How columns of numbers are read, and of amounts of money."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any, ClassVar

from django.utils.translation import gettext as _

from conversion_sync.importing.errors import UnreadableCell
from conversion_sync.importing.reading.numbers import COMMA, POINT, NumberBallot, parsed
from conversion_sync.importing.reading.readings import NUMBER
from conversion_sync.importing.reading.spoiled import DIGITS
from conversion_sync.importing.reading.voted import VotedReading, ambiguous

__all__ = ["Amount", "Number"]


class Number(VotedReading[NumberBallot]):
    """Numbers, in the notation that all cells of the column together show."""

    ways: ClassVar[tuple[str, ...]] = (NUMBER, POINT, COMMA)
    ballot = NumberBallot

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
        raise ambiguous(_written(point), _written(comma))

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

    def _is_example(self, text: str) -> bool:
        return not text.isdecimal()


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
