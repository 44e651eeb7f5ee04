"""What is on its way."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from conversion_sync.status.facts import pace
from conversion_sync.status.numbers import grouped
from conversion_sync.status.overview import Overview
from conversion_sync.status.spans import span
from conversion_sync.status.verdict import Facts

__all__ = ["Sending", "sending"]


@dataclass(frozen=True)
class Sending:
    """What is on its way now."""

    words: str
    sent: int
    total: int


def sending(seen: Overview, known: Facts, using: str) -> Sending | None:
    """How far what is on its way has come, at the pace of the last minutes."""
    moves = seen.enabled and seen.has_key and known.sending and seen.gate.status == "open"
    if not known.moving or not moves:
        return None
    words = ngettext("%s row is on its way.", "%s rows are on their way.", known.moving)
    words %= grouped(known.moving)
    found = pace(using, seen.now)
    if found is not None:
        pace_words = ngettext("%s row a minute.", "%s rows a minute.", found.a_minute)
        words += " " + pace_words % grouped(found.a_minute)
    if known.seconds_left is not None:
        words += " " + _("About %s left.") % span(max(1.0, known.seconds_left))
    sent = found.rows if found else 0
    return Sending(words, sent, sent + known.moving)
