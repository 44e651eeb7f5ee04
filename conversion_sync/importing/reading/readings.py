"""How the cells of a column are read: a reading is shown all of them, and then decides."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conversion_sync.importing.reading.spoiled import Harm

__all__ = [
    "BOOLEAN",
    "DATE",
    "FALSE",
    "NO",
    "NUMBER",
    "TEXT",
    "TRUE",
    "YES",
    "AsText",
    "Fate",
    "Reading",
    "read_as",
]

#: The ways that a person may choose from, besides the notations of numbers and dates.
TEXT: Final = "text"
NUMBER: Final = "number"
BOOLEAN: Final = "boolean"
DATE: Final = "date"

#: What spreadsheets write for true and false, and what else people write for it.
TRUE = frozenset(("true", "wahr", "vrai", "verdadero", "vero"))
FALSE = frozenset(("false", "falsch", "faux", "falso"))
YES = frozenset(("yes", "y", "t", "1", "x", "ja", "oui", "sí", "si"))
NO = frozenset(("no", "n", "f", "0", "nein", "non"))


class Fate(enum.Enum):
    """What becomes of a cell that a spreadsheet has spoiled, in the words of a person."""

    KEPT = gettext_lazy("It is taken as it stands.")
    #: As if the cell were not there.
    LEFT_OUT = gettext_lazy("It is left out.")
    #: The line is bad.
    REFUSED = gettext_lazy("The line is rejected.")


class Reading:
    """How the cells of one column are read; here: as they stand.

    Args:
        way: which of its ``ways`` a person has chosen; "" for that which the cells suggest.
    """

    ways: ClassVar[tuple[str, ...]] = ("",)
    #: What becomes of spoiled cells, by what has happened to them.
    fates: Mapping[Harm, Fate] = {Harm.ERROR: Fate.LEFT_OUT, Harm.GARBLED: Fate.KEPT}
    #: Whether ``read`` gives what it is given.
    is_plain: ClassVar[bool] = True

    def __init__(self, way: str = "") -> None:
        self.way = way

    def look(self, cells: Collection[str]) -> None:
        """Take note of some cells, none blank; called with all of them before one is read."""

    def settled(self) -> Reading:
        """The reading, once it has seen all cells."""
        return self

    def read(self, text: str) -> str:
        """What a cell says, in one form.

        Raises:
            UnreadableCell: it does not say what its column holds.
        """
        return text

    def value(self, text: str) -> Any:
        """What ``read`` gave, as JSON has it."""
        return text

    @property
    def note(self) -> str:
        """What a person should know of how the column is read; "" if it is as one would think."""
        return ""


class AsText(Reading):
    """As they stand, because a person said so: whatever a spreadsheet may have done."""

    ways = (TEXT,)
    fates: Mapping[Harm, Fate] = {}


def read_as(text: str, read: str) -> str:
    """How one cell is read, in words; "" where it is read as it stands."""
    if not text or text == read:
        return ""
    return _("“%(text)s” is read as “%(read)s”.") % {"text": text, "read": read}
