"""The verdict: the gravest that holds; decided from facts alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from django.utils.translation import gettext as _

from conversion_sync.status import times
from conversion_sync.status.verdict.facts import Facts
from conversion_sync.status.verdict.going import for_a_person, on_the_way, troubled
from conversion_sync.status.verdict.stopped import closed, limited, nobody, paused, settings, silent
from conversion_sync.status.verdict.verdict import Tone, Verdict

__all__ = ["stop", "verdict"]


def verdict(facts: Facts) -> Verdict:
    """The first that holds, the gravest first: what stops all, what stops some, what goes on."""
    for judge in _JUDGES:
        if found := judge(facts):
            return _with_one_full_stop(found)
    return Verdict(Tone.GOOD, _("All is in Conversion."))


def stop(facts: Facts) -> Verdict | None:
    """What stops all, so that what a person has sent waits; None where it is on its way."""
    found = next(filter(None, (judge(facts) for judge in _STOPS)), None)
    return _with_one_full_stop(found) if found else None


def _with_one_full_stop(found: Verdict) -> Verdict:
    return replace(found, words=times.one_full_stop(found.words))


_STOPS: Sequence[Callable[[Facts], Verdict | None]] = (
    settings,
    paused,
    closed,
    nobody,
    silent,
    limited,
)

_JUDGES: Sequence[Callable[[Facts], Verdict | None]] = (
    *_STOPS,
    troubled,
    for_a_person,
    on_the_way,
)
