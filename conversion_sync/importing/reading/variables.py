"""How the columns are read that become custom variables, or data: one JSON type a column."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from django.utils.translation import gettext as _

from conversion_sync.importing.errors import UnreadableCell
from conversion_sync.importing.headers import squeezed
from conversion_sync.importing.reading.amounts import Number
from conversion_sync.importing.reading.moments import DateOrTime
from conversion_sync.importing.reading.readings import (
    BOOLEAN,
    FALSE,
    NO,
    NUMBER,
    TEXT,
    TRUE,
    YES,
    Fate,
    Reading,
)
from conversion_sync.importing.reading.spoiled import DIGITS, Harm

__all__ = ["WAYS", "variable_reading"]


class VariableText(Reading):
    """Text."""

    ways = (TEXT,)
    fates: Mapping[Harm, Fate] = {
        Harm.ERROR: Fate.LEFT_OUT,
        Harm.SHORTENED: Fate.KEPT,
        Harm.ROUNDED: Fate.KEPT,
        Harm.GARBLED: Fate.KEPT,
    }

    def __init__(self, way: str = TEXT, note: str = "") -> None:
        super().__init__(way)
        self._note = note

    @property
    def note(self) -> str:
        return self._note


class PlainNumber(Reading):
    """Numbers that stand as JSON would write them, but for naughts at the end."""

    ways = (NUMBER,)

    def value(self, text: str) -> Any:
        return float(text) if "." in text else int(text)


class Boolean(Reading):
    """True or false."""

    ways = (BOOLEAN,)
    fates: Mapping[Harm, Fate] = {Harm.ERROR: Fate.LEFT_OUT}
    is_plain = False

    def read(self, text: str) -> str:
        word = text.casefold()
        if word not in TRUE | YES | FALSE | NO:
            raise UnreadableCell(_("this is neither true nor false"))
        return "true" if word in TRUE | YES else "false"

    def value(self, text: str) -> Any:
        return text == "true"


class Guess(Reading):
    """What all cells of the column are: numbers, true or false, else text.

    Args:
        is_code: numbers here tell things apart, and are counted with by nobody.
    """

    ways = ("",)
    fates: Mapping[Harm, Fate] = VariableText.fates
    # What JSON would write just so, and a double holds exactly: "007" and long ids stay text.
    _INTEGER = re.compile(rf"0|-?[1-9]\d{{0,{DIGITS - 1}}}", re.ASCII)
    _DECIMAL = re.compile(r"-?(?:0|[1-9]\d*)\.\d+", re.ASCII)
    _GROUPED = re.compile(r"-?[1-9]\d{0,2}\.\d{3}", re.ASCII)

    def __init__(self, is_code: bool = False) -> None:
        super().__init__()
        self._is_blank = True
        self._numbers, self._booleans = not is_code, True
        # Of the decimals: whether each is as JSON would write it, how many digits they have, one
        # that may be in thousands, and whether another is not.
        self._exact, self._digits = True, set[int]()
        self._doubtful, self._is_certain = "", False

    def look(self, cells: Collection[str]) -> None:
        self._is_blank &= not cells
        if self._booleans:
            self._booleans = all(text.casefold() in TRUE | FALSE for text in cells)
        if self._numbers:
            self._numbers = all(map(self._is_number, cells))

    def _is_number(self, text: str) -> bool:
        if self._INTEGER.fullmatch(text):
            self._digits.add(0)
        elif self._DECIMAL.fullmatch(text) and len(text.strip("-.")) <= DIGITS + 1:
            self._look_at_decimals(text)
        else:
            return False
        # "1.50" is a number among others with two decimals; beside "1.5" it may be a version.
        return self._exact or len(self._digits) == 1

    def _look_at_decimals(self, text: str) -> None:
        self._digits.add(len(text.partition(".")[2]))
        self._exact &= repr(float(text)) == text
        if self._GROUPED.fullmatch(text):
            self._doubtful = self._doubtful or text
        else:
            self._is_certain = True

    def settled(self) -> Reading:
        if self._is_blank:
            return VariableText()
        if self._booleans:
            return Boolean(BOOLEAN)
        if not self._numbers:
            return VariableText()
        if self._doubtful and not self._is_certain:
            words = _("“%(text)s” may be %(one)s or %(other)s, so it is read as text.")
            one, other = self._doubtful.rstrip("0"), self._doubtful.replace(".", "")
            return VariableText(note=words % {"text": self._doubtful, "one": one, "other": other})
        return PlainNumber(NUMBER)


#: All ways in which a person may have a variable read.
WAYS = (TEXT, *Number.ways, BOOLEAN, *DateOrTime.ways)

_CODES = re.compile("zip|postal|postcode|plz|phone|mobile|fax")


def variable_reading(title: str, way: str = "") -> Reading:
    """The reading of a column that becomes a variable, by one of ``WAYS``, or ""."""
    if not way:
        return Guess(is_code=bool(_CODES.search(squeezed(title))))
    kinds: tuple[type[Reading], ...] = (VariableText, Number, Boolean, DateOrTime)
    return next(kind for kind in kinds if way in kind.ways)(way)
