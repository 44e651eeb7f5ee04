"""What goes on, and what waits for a person meanwhile."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from conversion_sync.models import Status
from conversion_sync.status.errors import remedy
from conversion_sync.status.numbers import grouped
from conversion_sync.status.spans import span
from conversion_sync.status.verdict.facts import Facts
from conversion_sync.status.verdict.verdict import Tone, Verdict
from conversion_sync.status.verdict.words import need, since

__all__ = ["for_a_person", "on_the_way", "troubled"]


def troubled(facts: Facts) -> Verdict | None:
    """Whether the sending of some rows fails as a whole."""
    if not facts.troubles:
        return None
    words = _("Nothing is sent of the %s: something fails.") % ", ".join(facts.troubles)
    return Verdict(Tone.BAD, words, _("Have an administrator read the log of the worker."))


def for_a_person(facts: Facts) -> Verdict | None:
    """Whether anything needs a person; and what goes on besides."""
    if not facts.for_a_person:
        return None
    advice = remedy(facts.stuck_for, Status.PENDING)
    if not facts.detailed:
        return Verdict(Tone.BAD, f"{need(facts)}.", advice)
    words = need(facts, held=facts.held)
    rest = on_the_way(facts)
    words = f"{words}. {rest.words}" if rest else f"{words}; {_('all else is in Conversion.')}"
    return Verdict(Tone.BAD, words, advice or (rest.advice if rest else ""))


def on_the_way(facts: Facts) -> Verdict | None:
    """What is sent, or is going to be."""
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
    advice = remedy(facts.retrying_for, Status.PENDING)
    return Verdict(Tone.RETRYING, words % grouped(facts.retrying), advice)


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
    return _("no worker was seen since %s.") % since(facts.seen_at, facts)
