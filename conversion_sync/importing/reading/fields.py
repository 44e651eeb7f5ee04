"""How the columns are read that are fields of a row."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from django.utils.translation import gettext as _

from conversion_sync.importing.errors import UnreadableCell
from conversion_sync.importing.headers import OPT_OUT, squeezed
from conversion_sync.importing.reading.amounts import Amount
from conversion_sync.importing.reading.dates import DAY_FIRST, MONTH_FIRST, iso
from conversion_sync.importing.reading.moments import Moment
from conversion_sync.importing.reading.readings import (
    FALSE,
    NO,
    TEXT,
    TRUE,
    YES,
    AsText,
    Fate,
    Reading,
    read_as,
)
from conversion_sync.importing.reading.spoiled import DIGITS, Harm

__all__ = ["FIELDS", "field_reading"]


class Key(Reading):
    """Ids, by which rows are told apart: "42.0" is 42 where all numbers of the column are whole."""

    ways = ("", TEXT)
    fates: Mapping[Harm, Fate] = {
        Harm.ERROR: Fate.REFUSED,
        Harm.SHORTENED: Fate.REFUSED,
        Harm.ROUNDED: Fate.REFUSED,
    }
    is_plain = False
    _DECIMAL = re.compile(r"\d+\.\d+")
    _LONG = re.compile(rf"\d{{{DIGITS}}}\d*[1-9]\d*")

    def __init__(self, way: str = "") -> None:
        super().__init__(way)
        self._pointless, self._has_decimals = "", False

    def look(self, cells: Collection[str]) -> None:
        for text in cells:
            if self._DECIMAL.fullmatch(text):
                if text.rstrip("0").endswith("."):
                    self._pointless = self._pointless or text
                else:
                    self._has_decimals = True
            elif self._LONG.fullmatch(text):
                # Where one long id has all its digits, no spreadsheet has rounded the others.
                self.fates = {k: fate for k, fate in self.fates.items() if k is not Harm.ROUNDED}

    def read(self, text: str) -> str:
        if self._pointless and not self._has_decimals and self._DECIMAL.fullmatch(text):
            return text.partition(".")[0]
        return text

    @property
    def note(self) -> str:
        return read_as(self._pointless, self.read(self._pointless))


class Phone(Reading):
    """Phone numbers, of which a spreadsheet keeps 15 digits, and shows fewer."""

    ways = ("", TEXT)
    fates: Mapping[Harm, Fate] = {
        Harm.ERROR: Fate.LEFT_OUT,
        Harm.SHORTENED: Fate.LEFT_OUT,
        Harm.ROUNDED: Fate.LEFT_OUT,
    }


class Size(Reading):
    """Ranges such as 1-10 and 11-50, which a spreadsheet takes for dates."""

    ways = ("", TEXT)
    fates: Mapping[Harm, Fate] = {Harm.ERROR: Fate.LEFT_OUT, Harm.DATED: Fate.LEFT_OUT}


#: What the words for a subscription mean here; "" says nothing about it.
_STATUSES = {
    "subscribed": "SUBSCRIBED",
    "unsubscribed": "UNSUBSCRIBED",
    "pending": "PENDING",
    "optedin": "SUBSCRIBED",
    "optedout": "UNSUBSCRIBED",
    "optout": "UNSUBSCRIBED",
    "noconsent": "",
    "neversubscribed": "",
    "notsubscribed": "",
    "nonsubscribed": "",
    "abonniert": "SUBSCRIBED",
    "abgemeldet": "UNSUBSCRIBED",
    "ausstehend": "PENDING",
    "nieabonniert": "",
    "nichtabonniert": "",
}


class StatusReading(Reading):
    """Subscriptions, in our own words, and in those of other programs, however they are written."""

    is_plain = False

    def read(self, text: str) -> str:
        return _STATUSES.get(squeezed(text), text)


_OUT = {word for word, status in _STATUSES.items() if status == "UNSUBSCRIBED"}
_YES = TRUE | YES | {"on"} | _OUT
_NO = FALSE | NO | {"off"} | (_STATUSES.keys() - _OUT)

#: Signs that are no letters: ticks and crosses, and what stands for nothing.
_MARKS = re.compile(r"[✓✔☑✅✗✘☒❌❎\u00d7✕✖\ufe0f\s]+")
_NOTHING = re.compile(r"[-\u2013\u2014._/\s]*")

#: True and false as pandas writes them in a column with gaps.
_FLOAT = re.compile(r"([01])[.,]0+")


class OptOutReading(Reading):
    """Whether somebody has opted out: "true", a cross, or the time of it."""

    is_plain = False

    def read(self, text: str) -> str:
        word = found[1] if (found := _FLOAT.fullmatch(text)) else squeezed(text)
        if _MARKS.fullmatch(text) or word in _YES or iso(text, DAY_FIRST) or iso(text, MONTH_FIRST):
            return "UNSUBSCRIBED"
        if word in _NO or _NOTHING.fullmatch(text):
            return ""
        raise UnreadableCell(_("this does not say whether somebody has opted out"))

    @property
    def note(self) -> str:
        return _("Whoever has “yes”, “true”, “1”, a cross or a time here is unsubscribed.")


FIELDS: Mapping[str, type[Reading]] = {
    "external_id": Key,
    "company_id": Key,
    "source_key": Key,
    "phone": Phone,
    "size": Size,
    "annual_revenue": Amount,
    "occurred_at": Moment,
    "subscription_status": StatusReading,
    OPT_OUT: OptOutReading,
}


def field_reading(name: str, way: str = "") -> Reading:
    """The reading of a known column."""
    return AsText() if way == TEXT else FIELDS.get(name, Reading)(way)
