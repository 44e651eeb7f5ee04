"""Numbers and amounts of money, as people and programs write them (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

__all__ = ["COMMA", "POINT", "NumberBallot", "parsed"]

#: The two notations: which sign begins the decimals, as in "1,234.56" and in "1.234,56".
POINT: Final = "decimal-point"
COMMA: Final = "decimal-comma"

_OUTER = re.compile(
    r"(?P<minus>[-\u2212]?)(?:US\$|\$|USD)?\s*(?P<number>[\d.,\s'\u2019]*\d)"
    r"(?:e(?P<exponent>[+-]?\d{1,2}))?\s*(?P<unit>k|mio\.?|m|mrd\.?|bn|b|)\s*(?:US\$|\$|USD)?",
    re.IGNORECASE,
)
_UNITS = {"": 0, "k": 3, "m": 6, "mio": 6, "b": 9, "bn": 9, "mrd": 9}

# Groups of three, all apart by the same sign; in India, all but the last of two.
_BLANKS = r"\s'\u2019"
_NUMBER = {
    POINT: re.compile(
        rf"(\d+|\d{{1,3}}(?:([,{_BLANKS}])\d{{3}})(?:\2\d{{3}})*|\d\d?(?:,\d\d)+,\d{{3}}|)"
        r"(?:\.(\d+))?"
    ),
    COMMA: re.compile(rf"(\d+|\d{{1,3}}(?:([.{_BLANKS}])\d{{3}})(?:\2\d{{3}})*|)(?:,(\d+))?"),
}
_NO_DIGIT = re.compile(r"\D")


def parsed(text: str, notation: str) -> Decimal | None:
    """The number that a text is in this notation; None if it is none.

    A dollar sign may stand with it, and a unit: "$1.5M" is 1,500,000.
    """
    outer = _OUTER.fullmatch(text)
    found = outer and _NUMBER[notation].fullmatch(outer["number"])
    if not outer or not found:
        return None
    whole, decimals = _NO_DIGIT.sub("", found[1]), found[3] or ""
    shift = int(outer["exponent"] or 0) + _UNITS[outer["unit"].lower().rstrip(".")]
    number = Decimal(f"{whole or 0}.{decimals or 0}").scaleb(shift)
    return -number if outer["minus"] else number


class NumberBallot:
    """In which notation a column is written: all of its cells have a say.

    ``doubtful`` is a cell that is a number in both, and not the same; "" while there is none.
    """

    def __init__(self) -> None:
        self._votes = {POINT: 0, COMMA: 0}
        self._whole = {POINT: True, COMMA: True}
        self.doubtful = ""

    def add(self, cells: Iterable[str]) -> None:
        """Let some cells vote: one that is a number in one notation alone."""
        for text in cells:
            point, comma = parsed(text, POINT), parsed(text, COMMA)
            if point is None or comma is None:
                self._votes[POINT] += point is not None
                self._votes[COMMA] += comma is not None
            elif point != comma:
                self.doubtful = self.doubtful or text
                self._whole[POINT] &= point == point.to_integral_value()
                self._whole[COMMA] &= comma == comma.to_integral_value()

    @property
    def notation(self) -> str:
        """The notation of the column; "" if it can't be told, or changes within it.

        Of cells like "1.500" alone: the one in which all of them are whole numbers, if one is.
        """
        votes = self._votes if any(self._votes.values()) else self._whole
        chosen = [notation for notation, count in votes.items() if count]
        if len(chosen) == 1:
            return chosen[0]
        return POINT if not self.doubtful and not any(self._votes.values()) else ""
