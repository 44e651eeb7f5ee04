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
        parts.append(need(facts.for_a_person))
    return f"{words}{mark} {'; '.join(parts)}." if parts else f"{words}."


def need(count: int) -> str:
    """How many rows need a person."""
    return ngettext("%s row needs a person", "%s rows need a person", count) % grouped(count)
