"""What a person says of a column: which field it is, a custom variable and its type, or nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext as _

from conversion_sync.importing.reading.fields import FIELDS
from conversion_sync.importing.reading.readings import Reading
from conversion_sync.importing.reading.variables import WAYS

__all__ = ["SKIP", "VARIABLE", "Choice", "offered", "parse"]

VARIABLE: Final = "variable"
SKIP: Final = "skip"


@dataclass(frozen=True, slots=True)
class Choice:
    """What a column becomes (a known column, ``VARIABLE`` or ``SKIP``), and how it is read.

    Written "phone", "variable:text", "annual_revenue:decimal-comma", "skip".
    """

    target: str
    way: str = ""

    def __str__(self) -> str:
        return f"{self.target}:{self.way}" if self.way else self.target


def offered(names: Collection[str]) -> list[Choice]:
    """All that a column may become, where these are the known columns."""
    fields = [Choice(name, way) for name in names for way in FIELDS.get(name, Reading).ways]
    return [*fields, *(Choice(VARIABLE, way) for way in ("", *WAYS)), Choice(SKIP)]


def parse(text: str, names: Collection[str]) -> Choice:
    """What a person has written.

    Raises:
        ValueError: with a message for people.
    """
    target, _sign, way = text.strip().partition(":")
    choice = Choice(target, way)
    if choice in offered(names):
        return choice
    known = ", ".join(map(str, offered(names)))
    raise ValueError(_("“%(text)s” is none of: %(known)s") % {"text": text, "known": known})
