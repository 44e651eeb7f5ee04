"""What staff read of a row's state: derived from the row, in words, without a query."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.humanize.templatetags.humanize import ordinal
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from conversion_sync.models import Status, SubscriptionChange, SyncedModel
from conversion_sync.status import errors, times, waits
from conversion_sync.status.errors import remedy
from conversion_sync.status.messages import in_words, is_of_a_program
from conversion_sync.status.next_try import Outlook
from conversion_sync.sync.readiness import Reason

__all__ = [
    "Badge",
    "badge",
    "error",
    "isolated",
    "one_line",
    "opt_out",
    "reason",
    "render",
    "said",
    "said_in_full",
]

#: A mark beside the words, so that tones differ in shape as well as in colour.
MARKS = {"ok": "✓", "wait": "○", "busy": "↑", "retry": "↻", "bad": "✕", "doubt": "?", "off": "–"}  # noqa: RUF001  # a dash is meant

REASON_LENGTH, CODE_LENGTH = 70, 64

#: Characters that nobody sees, but which change what one sees: they turn the direction of the text
#: around them, hide in words, or are none at all. The joiners of scripts and of emoji stay.
UNSEEN, JOINERS = frozenset({"Cc", "Cf", "Cs"}), frozenset("\u200c\u200d")


@dataclass(frozen=True)
class Badge:
    """A tone (a key of ``MARKS``), the words, and what a pointer that rests on them is told."""

    tone: str
    words: str
    detail: str = ""


def badge(
    row: SyncedModel,
    now: datetime,
    why: Reason | None,
    follows: str = "",
    outlook: Outlook | None = None,
) -> Badge:
    """The badge of a row.

    Args:
        why: the reason why it has not arrived (``status.waits.reasons``), if it has not.
        follows: what is still to follow, where the row itself has arrived.
        outlook: what is known of the drains to come; by default that nothing stands in their way.
    """
    if follows and row.sync_status == Status.SYNCED:
        return Badge("wait", follows)
    if row.sync_status == Status.PENDING:
        return _pending(row, now, why, outlook or Outlook())
    return _WORDS[row.sync_status](row, now, why)


def render(badge: Badge) -> SafeString:
    """The badge as HTML."""
    return format_html(
        '<span class="cs-badge cs-{}" title="{}"><span class="cs-mark" aria-hidden="true">{}</span>'
        "<bdi>{}</bdi></span>",
        badge.tone,
        badge.detail,
        MARKS[badge.tone],
        badge.words,
    )


def isolated(text: str) -> SafeString:
    """A text that does not turn what stands around it, as HTML."""
    return format_html("<bdi>{}</bdi>", text)


def error(message: str, code: str) -> SafeString:
    """A message that was made harmless, and its code, as HTML."""
    return format_html(
        '<span class="cs-error"><bdi>{}</bdi> <code>{}</code></span>',
        message,
        one_line(code, CODE_LENGTH),
    )


def one_line(text: str, length: int) -> str:
    """The text on one line, cut to ``length``, without what is unseen."""
    text = "".join(filter(_is_seen, " ".join(text[: length * 4].split())))
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def _is_seen(character: str) -> bool:
    return character in JOINERS or unicodedata.category(character) not in UNSEEN


def reason(row: SyncedModel) -> str:
    """Why the last try did not succeed, in a few words; blank where it did."""
    return said(row.last_error_message, row.last_error_code, REASON_LENGTH)


def said(message: str, code: str, length: int) -> str:
    """What is stored of an error, on one line, cut to ``length``: the message in words.

    Where there is none, or a program speaks in it, it is what the code means.
    """
    if errors.is_known(code) and is_of_a_program(message):
        # Nobody but an administrator can make anything of it: the page of the row says it, too.
        message = ""
    return one_line(in_words(message), length) or one_line(errors.error_words(code), length)


def said_in_full(message: str, code: str, length: int) -> str:
    """The same at length, for a page of its own; what a program says stands behind the words."""
    words, whole = said(message, code, length), one_line(in_words(message), length)
    if not is_of_a_program(whole) or words == whole:
        return words
    return _("%(words)s (for an administrator: %(error)s)") % {
        "words": capfirst(words),
        "error": whole,
    }


def opt_out(change: SubscriptionChange) -> Badge:
    """What a contact's badge is accompanied by while an opt-out of the contact has not arrived."""
    why = reason(change)
    if change.sync_status == Status.FAILED:
        words = _("Opt-out failed: %s") % why if why else _("Opt-out failed")
        return Badge("bad", words, _advice(change))
    return Badge("retry", _("Opt-out not arrived yet"), why)


def _synced(row: SyncedModel, now: datetime, why: Reason | None) -> Badge:
    if row.last_synced_at is None:
        return Badge("ok", _("Synced"))
    words = _("Synced %s") % times.ago(row.last_synced_at, now)
    return Badge("ok", words, times.exact(row.last_synced_at))


def _pending(row: SyncedModel, now: datetime, why: Reason | None, outlook: Outlook) -> Badge:
    when = _when(row.due_at, now, outlook)
    if why == Reason.RETRY and when:
        number = ordinal(row.attempts + 1) if row.attempts else ""
        words = _("Retrying %(when)s, %(number)s try") if number else _("Retrying %(when)s")
        return Badge("retry", words % {"when": when, "number": number}, reason(row))
    if why == Reason.RETRY:
        return Badge("retry", capfirst(waits.reason_words(why)), reason(row))
    if why == Reason.LATER and when and row.due_at and row.due_at > now:
        return Badge("wait", _("To be sent %s") % when)
    return Badge("wait", capfirst(waits.reason_words(why or Reason.READY)), reason(row))


def _when(due_at: datetime | None, now: datetime, outlook: Outlook) -> str:
    """When a row that is due then is sent; blank where nobody can tell."""
    if not outlook.can_tell(due_at, now):
        return ""
    at = outlook.sent_at(due_at or now, now)
    if at is None:
        return _("in about a minute")
    return times.until(at, now) if at > now else _("now")


def _sending(row: SyncedModel, now: datetime, why: Reason | None) -> Badge:
    if row.due_at is not None and row.due_at <= now:
        return Badge("busy", _("Sending… (the answer is late)"))
    return Badge("busy", _("Sending…"))


def _failed(row: SyncedModel, now: datetime, why: Reason | None) -> Badge:
    said = reason(row)
    return Badge("bad", _("Failed: %s") % said if said else _("Failed"), _advice(row))


def _advice(row: SyncedModel) -> str:
    when = times.exact(row.last_attempt_at) if row.last_attempt_at else ""
    return " – ".join(filter(None, (when, remedy(row.last_error_code, row.sync_status))))  # noqa: RUF001  # a dash is meant


def _unconfirmed(row: SyncedModel, now: datetime, why: Reason | None) -> Badge:
    detail = _("It may have arrived, or not: the answer never came.")
    detail = f"{detail} {remedy(row.last_error_code, row.sync_status)}"
    if row.last_attempt_at is None:
        return Badge("doubt", _("In doubt"), detail)
    return Badge("doubt", _("In doubt since %s") % times.since(row.last_attempt_at, now), detail)


def _superseded(row: SyncedModel, now: datetime, why: Reason | None) -> Badge:
    return Badge("off", _("Superseded"), _("A later change made it needless."))


_WORDS: Mapping[Any, Callable[[SyncedModel, datetime, Reason | None], Badge]] = {
    Status.SYNCED: _synced,
    Status.SENDING: _sending,
    Status.FAILED: _failed,
    Status.UNCONFIRMED: _unconfirmed,
    Status.SUPERSEDED: _superseded,
}
