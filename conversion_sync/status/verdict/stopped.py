"""What stops all that is sent."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conversion_sync.status.errors import error_words, remedy
from conversion_sync.status.spans import span
from conversion_sync.status.verdict.facts import Facts
from conversion_sync.status.verdict.verdict import Tone, Verdict
from conversion_sync.status.verdict.words import since, with_waiting

__all__ = ["START_A_WORKER", "closed", "limited", "nobody", "paused", "settings", "silent"]

START_A_WORKER = gettext_lazy(
    "Have an administrator start the queue's worker, or “manage.py conversion_push --forever”."
)

#: Seconds for which Conversion may ask to wait without its being worth a word to everybody.
SHORT_WAIT = 60


def settings(facts: Facts) -> Verdict | None:
    """Whether the settings let anything be sent."""
    if not facts.enabled:
        words = _("Sending is switched off in the settings (ENABLED): changes are only noted.")
        return Verdict(Tone.OFF, words)
    if not facts.has_key:
        words = _("The settings hold no API key (API_KEY): changes are only noted.")
        return Verdict(Tone.BAD, words)
    return None


def paused(facts: Facts) -> Verdict | None:
    """Whether somebody has paused it."""
    gate = facts.gate
    if gate.status != "paused":
        return None
    what = {"when": since(gate.since, facts), "who": gate.reason}
    words = _("Paused by %(who)s since %(when)s") if gate.reason else _("Paused since %(when)s")
    advice = _("Press “Resume” on the dashboard to go on.")
    return Verdict(Tone.OFF, with_waiting(words % what, facts), advice)


def closed(facts: Facts) -> Verdict | None:
    """Whether the API key or the address is refused."""
    gate = facts.gate
    if gate.status != "closed":
        return None
    what = {"why": error_words(gate.reason), "when": since(gate.since, facts)}
    known = _CLOSED.get(gate.reason)
    words = str(known) if known else _("Nothing is sent since %(when)s: %(why)s")
    return Verdict(Tone.BAD, with_waiting(words % what, facts, ";"), remedy(gate.reason))


_CLOSED: dict[str, Promise] = {
    "UNAUTHORIZED": gettext_lazy(
        "The API key was refused at %(when)s: nothing is sent until one is accepted"
    ),
    "REDIRECTED": gettext_lazy(
        "The address of the API redirects elsewhere since %(when)s: nothing is sent until that is "
        "corrected"
    ),
}


def nobody(facts: Facts) -> Verdict | None:
    """Whether there is nobody who sends."""
    if facts.working:
        return None
    words = _("Nobody is sending")
    if facts.seen_at is not None:
        words = _("Nobody is sending since %s") % since(facts.seen_at, facts)
    return Verdict(Tone.BAD, with_waiting(words, facts), str(START_A_WORKER))


def silent(facts: Facts) -> Verdict | None:
    """Whether Conversion does not answer."""
    if facts.silent_since is None or not facts.waiting:
        return None
    words = _("Conversion does not answer since %s") % since(facts.silent_since, facts)
    return Verdict(Tone.BAD, with_waiting(words, facts), remedy("UNREACHABLE"))


def limited(facts: Facts) -> Verdict | None:
    """Whether Conversion asks to wait."""
    gate = facts.gate
    if gate.status != "waiting" or gate.until is None or not facts.waiting:
        return None
    seconds = (gate.until - facts.now).total_seconds()
    words = _("Conversion asks to wait, sending goes on in %s") % span(max(1.0, seconds))
    tone = Tone.WAITING if seconds <= SHORT_WAIT else Tone.OFF
    return Verdict(tone, with_waiting(words, facts))
