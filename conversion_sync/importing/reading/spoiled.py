"""What a spreadsheet makes of cells that it takes for something else (pure)."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Collection, Mapping

from django.utils.translation import gettext_lazy as _

__all__ = ["DIGITS", "Harm", "harm_of", "harmed"]

#: A spreadsheet, and JSON's readers, keep so many digits of a number.
DIGITS = 15


class Harm(enum.Enum):
    """What has happened to a cell, in the words of a person."""

    ERROR = _("it could not be computed, or its column was too narrow")
    SHORTENED = _("it was a long number, and has lost its last digits")
    ROUNDED = _("it was a long number, and its last digits have become 0")
    DATED = _("it was a range such as 1-10 or 11-50, and has become a date")
    GARBLED = _("it was read in the wrong encoding once")


def harm_of(text: str, among: Collection[Harm]) -> Harm | None:
    """Which of these harms has been done to a cell; None if it is whole, or blank."""
    return next((harm for harm in among if text and _TESTS[harm](text)), None)


def harmed(cells: Collection[str], among: Collection[Harm]) -> dict[str, Harm]:
    """Those of some cells, none of them blank, to which one of these harms has been done."""
    return {text: harm for harm in among for text in filter(_TESTS[harm], cells)}


# As Excel, LibreOffice and Google Sheets write them, in English, German, French and Spanish.
_ERRORS = frozenset(
    (
        *("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!", "#CALC!"),
        *("#FIELD!", "#BLOCKED!", "#CONNECT!", "#BUSY!", "#GETTING_DATA", "#ERROR!"),
        *("#NV", "#BEZUG!", "#WERT!", "#ZAHL!", "#VALEUR!", "#NOM?", "#NOMBRE!", "#NUL!"),
        *("#N/D", "#¡REF!", "#¡VALOR!", "#¿NOMBRE?", "#¡NUM!", "#¡DIV/0!", "#¡NULO!"),
    )
)
_ERROR = re.compile(r"#{3,}|Err:5\d\d")
_SHORTENED = re.compile(r"-?\d(?:[.,]\d+)?E\+\d{2,3}", re.IGNORECASE)
_ROUNDED = re.compile(rf"[+-]?\d{{{DIGITS}}}0+")
_MONTH = (
    r"(?:jan|feb|fév|mar|mär|mrz|apr|avr|abr|may|mai|mag|jun|juin|giu|jul|juil|lug|aug|aoû|ago"
    r"|sep|set|oct|okt|ott|nov|dec|dez|déc|dic|ene|gen)[a-zäéû]{0,6}\.?"
)
_DATED = re.compile(
    rf"\d{{1,2}}[-./\s]{{1,2}}{_MONTH}(?:[-./\s]+\d{{2,4}})?|{_MONTH}[-./\s]{{1,2}}\d{{2,4}}"
    r"|\d{4}-\d\d-\d\d(?:[T\s].*)?|\d{1,2}([./])\d{1,2}\1\d{2,4}",
    re.IGNORECASE,
)
_GARBLED = re.compile("[ÃÂâÅÄ][\u0080-\u00bf\u0152-\u0178\u2013-\u2122]")

# What can be told at once comes first: all cells of a file are looked at.


def _is_error(text: str) -> bool:
    return text[0] in "#E" and (text in _ERRORS or _ERROR.fullmatch(text) is not None)


def _is_shortened(text: str) -> bool:
    return "+" in text and _SHORTENED.fullmatch(text) is not None


def _is_rounded(text: str) -> bool:
    return text[-1] == "0" and _ROUNDED.fullmatch(text) is not None


def _is_dated(text: str) -> bool:
    return _DATED.fullmatch(text) is not None


def _is_garbled(text: str) -> bool:
    """Whether it was written as UTF-8 and read as Windows-1252: "MÃ¼ller"."""
    if text.isascii() or not _GARBLED.search(text):
        return False
    try:
        return text.encode("cp1252").decode() != text
    except UnicodeError:
        return False


_TESTS: Mapping[Harm, Callable[[str], bool]] = {
    Harm.ERROR: _is_error,
    Harm.SHORTENED: _is_shortened,
    Harm.ROUNDED: _is_rounded,
    Harm.DATED: _is_dated,
    Harm.GARBLED: _is_garbled,
}
