"""One sentence, and a colour, for how the whole stands; decided from facts alone."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from conversion_sync.status import times
from conversion_sync.status.errors import remedy
from conversion_sync.status.errors import words as error_words
from conversion_sync.status.numbers import grouped
from conversion_sync.status.spans import span
from conversion_sync.sync.gate import GateState

__all__ = ["START_A_WORKER", "Facts", "Tone", "Verdict", "verdict"]

START_A_WORKER = gettext_lazy(
    "Have an administrator start the queue's worker, or “manage.py conversion_push --forever”."
)

#: Seconds for which Conversion may ask to wait without its being worth a word to everybody.
SOON = 60


#: Within this a drain follows the last one where anything is due: a sweep, and its wait.
NEXT_DRAIN = datetime.timedelta(seconds=90)

OPEN = GateState("open")


class Tone(enum.StrEnum):
    """The colour; the values are those of the badges."""

    GOOD = "ok"
    BUSY = "busy"
    WAITING = "wait"
    RETRYING = "retry"
    OFF = "off"
    BAD = "bad"


@dataclass(frozen=True)
class Facts:
    """What a verdict is made of.

    Attributes:
        now: the time of the database.
        detailed: False: all that waits counts as ``moving``, all that needs a person as ``failed``.
        gate: whether the API may be called.
        working: False when rows are due, and no drain has run for long.
        seen_at: when a drain last gave a sign of life.
        sending: whether a drain runs, or is about to.
        lively: whether one ran so lately that the next one is sure to come.
        silent_since: since when the API has not answered; None if it answers.
        failed, in_doubt: rows that need a person.
        held: rows that wait for one of these.
        retrying: rows that were tried in vain, and are tried again by themselves.
        moving: all other rows that have not arrived; they are on their way.
        seconds_left: what sending those will take, if it goes on as in the last minutes; None if
            nobody can tell.
        marks: changes of the site's own models that no mirror has looked at.
        troubles: what the rows are called of which nothing is sent because something fails.
    """

    now: datetime.datetime
    detailed: bool = True
    enabled: bool = True
    has_key: bool = True
    gate: GateState = OPEN
    working: bool = True
    seen_at: datetime.datetime | None = None
    sending: bool = True
    lively: bool = True
    silent_since: datetime.datetime | None = None
    failed: int = 0
    in_doubt: int = 0
    held: int = 0
    retrying: int = 0
    moving: int = 0
    seconds_left: float | None = None
    marks: int = 0
    troubles: Sequence[str] = ()

    @property
    def drained_lately(self) -> bool:
        """Whether a drain was seen so lately that the next one is sure to come."""
        return self.seen_at is not None and self.now - self.seen_at <= NEXT_DRAIN

    @property
    def for_a_person(self) -> int:
        """Rows that need a person."""
        return self.failed + self.in_doubt

    @property
    def waiting(self) -> int:
        """Rows that are not sent now, and need no person of their own."""
        return self.moving + self.retrying + self.held


@dataclass(frozen=True)
class Verdict:
    """The sentence, and what to do, where a person can do something."""

    tone: Tone
    words: str
    advice: str = ""

    @property
    def is_good(self) -> bool:
        """Whether nobody need be told who did not ask."""
        return self.tone not in (Tone.OFF, Tone.BAD)


def verdict(facts: Facts) -> Verdict:
    """The first that holds, the gravest first: what stops all, what stops some, what goes on."""
    for judge in _JUDGES:
        if found := judge(facts):
            return found
    return Verdict(Tone.GOOD, _("All is in Conversion."))


def _settings(facts: Facts) -> Verdict | None:
    if not facts.enabled:
        words = _("Sending is switched off in the settings (ENABLED): changes are only noted.")
        return Verdict(Tone.OFF, words)
    if not facts.has_key:
        words = _("The settings hold no API key (API_KEY): changes are only noted.")
        return Verdict(Tone.BAD, words)
    return None


def _paused(facts: Facts) -> Verdict | None:
    gate = facts.gate
    if gate.status != "paused":
        return None
    what = {"when": _since(gate.since, facts), "who": gate.reason}
    words = _("Paused by %(who)s since %(when)s") if gate.reason else _("Paused since %(when)s")
    advice = _("Press “Resume” on the dashboard to go on.")
    return Verdict(Tone.OFF, _with_waiting(words % what, facts), advice)


def _closed(facts: Facts) -> Verdict | None:
    gate = facts.gate
    if gate.status != "closed":
        return None
    what = {"why": error_words(gate.reason), "when": _since(gate.since, facts)}
    known = _CLOSED.get(gate.reason)
    words = str(known) if known else _("Nothing is sent since %(when)s: %(why)s")
    return Verdict(Tone.BAD, _with_waiting(words % what, facts, ";"), remedy(gate.reason))


_CLOSED: dict[str, Promise] = {
    "UNAUTHORIZED": gettext_lazy(
        "The API key was refused at %(when)s: nothing is sent until one is accepted"
    ),
    "REDIRECTED": gettext_lazy(
        "The address of the API redirects elsewhere since %(when)s: nothing is sent until that is "
        "corrected"
    ),
}


def _nobody(facts: Facts) -> Verdict | None:
    if facts.working:
        return None
    words = _("Nobody is sending")
    if facts.seen_at is not None:
        words = _("Nobody is sending since %s") % _since(facts.seen_at, facts)
    return Verdict(Tone.BAD, _with_waiting(words, facts), str(START_A_WORKER))


def _silent(facts: Facts) -> Verdict | None:
    if facts.silent_since is None or not facts.waiting:
        return None
    words = _("Conversion does not answer since %s") % _since(facts.silent_since, facts)
    return Verdict(Tone.BAD, _with_waiting(words, facts), remedy("UNREACHABLE"))


def _limited(facts: Facts) -> Verdict | None:
    gate = facts.gate
    if gate.status != "waiting" or gate.until is None or not facts.waiting:
        return None
    seconds = (gate.until - facts.now).total_seconds()
    words = _("Conversion asks to wait, sending goes on in %s") % span(max(1.0, seconds))
    tone = Tone.WAITING if seconds <= SOON else Tone.OFF
    return Verdict(tone, _with_waiting(words, facts))


def _troubled(facts: Facts) -> Verdict | None:
    if not facts.troubles:
        return None
    words = _("Nothing is sent of the %s: something fails.") % ", ".join(facts.troubles)
    return Verdict(Tone.BAD, words, _("Have an administrator read the log of the worker."))


def _for_a_person(facts: Facts) -> Verdict | None:
    if not facts.for_a_person:
        return None
    words = _need(facts.for_a_person)
    if not facts.detailed:
        return Verdict(Tone.BAD, f"{words}.")
    if facts.held:
        more = ngettext("%s more waits for that", "%s more wait for that", facts.held)
        words = f"{words}, {more % grouped(facts.held)}"
    rest = _on_the_way(facts)
    words = f"{words}. {rest.words}" if rest else f"{words}; {_('all else is in Conversion.')}"
    return Verdict(Tone.BAD, words)


def _on_the_way(facts: Facts) -> Verdict | None:
    if not facts.moving:
        return _retrying(facts) or _unseen(facts)
    if not facts.lively:
        words = ngettext("%s row waits to be sent", "%s rows wait to be sent", facts.moving)
        return Verdict(Tone.WAITING, f"{words % grouped(facts.moving)}: {_last_worker(facts)}")
    if not facts.sending:
        words = ngettext(
            "%s row waits for the next drain.", "%s rows wait for the next drain.", facts.moving
        )
        return Verdict(Tone.WAITING, words % grouped(facts.moving))
    words = ngettext("Sending: %s row", "Sending: %s rows", facts.moving) % grouped(facts.moving)
    if facts.retrying:
        later = ngettext("%s is tried again later", "%s are tried again later", facts.retrying)
        return Verdict(Tone.BUSY, f"{words}; {later % grouped(facts.retrying)}.")
    if facts.seconds_left is not None:
        left = _("about %s left") % span(max(1.0, facts.seconds_left))
        words = f"{words}, {left}"
    return Verdict(Tone.BUSY, f"{words}.")


def _retrying(facts: Facts) -> Verdict | None:
    if not facts.retrying:
        return None
    words = ngettext(
        "%s row did not arrive, and is tried again by itself.",
        "%s rows did not arrive, and are tried again by themselves.",
        facts.retrying,
    )
    return Verdict(Tone.RETRYING, words % grouped(facts.retrying))


def _unseen(facts: Facts) -> Verdict | None:
    """What has changed in the site's own models, and has no rows to show for it yet."""
    if not facts.marks:
        return None
    words = ngettext(
        "%s change of your own models is to be looked at",
        "%s changes of your own models are to be looked at",
        facts.marks,
    )
    words %= grouped(facts.marks)
    if facts.drained_lately:
        return Verdict(Tone.BUSY, f"{words}.")
    return Verdict(Tone.WAITING, f"{words}: {_last_worker(facts)}")


def _last_worker(facts: Facts) -> str:
    if facts.seen_at is None:
        return _("no worker was seen yet.")
    return _("no worker was seen since %s.") % _since(facts.seen_at, facts)


_JUDGES: Sequence[Callable[[Facts], Verdict | None]] = (
    _settings,
    _paused,
    _closed,
    _nobody,
    _silent,
    _limited,
    _troubled,
    _for_a_person,
    _on_the_way,
)


def _since(moment: datetime.datetime | None, facts: Facts) -> str:
    return times.since(moment or facts.now, facts.now)


def _with_waiting(words: str, facts: Facts, mark: str = ":") -> str:
    """The sentence, with how many rows wait, and how many need a person besides."""
    parts = []
    if facts.waiting:
        said = ngettext("%s row waits", "%s rows wait", facts.waiting) % grouped(facts.waiting)
        parts.append(_("%s, nothing is lost") % said)
    if facts.for_a_person:
        parts.append(_need(facts.for_a_person))
    return f"{words}{mark} {'; '.join(parts)}." if parts else f"{words}."


def _need(count: int) -> str:
    return ngettext("%s row needs a person", "%s rows need a person", count) % grouped(count)
