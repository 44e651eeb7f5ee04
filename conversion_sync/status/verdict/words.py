"""Parts of the sentences."""

from __future__ import annotations

import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from conversion_sync.status import times
from conversion_sync.status.numbers import grouped
from conversion_sync.status.verdict.facts import Facts

__all__ = ["need", "since", "with_waiting"]


def since(moment: datetime.datetime | None, facts: Facts) -> str:
    """Since when, in words; None: since now."""
    return times.since(moment or facts.now, facts.now)


def with_waiting(words: str, facts: Facts, mark: str = ":") -> str:
    """The sentence, with how many rows wait, and how many need a person besides."""
    parts = []
    if facts.waiting:
        said = ngettext("%s row waits", "%s rows wait", facts.waiting) % grouped(facts.waiting)
        parts.append(_("%s, nothing is lost") % said)
    if facts.for_a_person:
        parts.append(need(facts))
    return f"{words}{mark} {'; '.join(parts)}." if parts else f"{words}."


def need(facts: Facts, *, held: int = 0) -> str:
    """What needs a person, each by its name.

    Args:
        held: rows that wait for those, where that is to be said.
    """
    parts = []
    if count := facts.failed + facts.in_doubt + facts.stuck:
        words = ngettext("%s row needs a person", "%s rows need a person", count) % grouped(count)
        more = ngettext("%s more waits for that", "%s more wait for that", held) % grouped(held)
        parts.append(f"{words}, {more}" if held else words)
    if count := facts.leaving:
        words = ngettext(
            "%s row would leave and waits for a decision",
            "%s rows would leave and wait for a decision",
            count,
        )
        parts.append(words % grouped(count))
    if count := facts.faulty:
        words = ngettext(
            "%s record of your own models can't be used as it is",
            "%s records of your own models can't be used as they are",
            count,
        )
        parts.append(words % grouped(count))
    return "; ".join(parts)
