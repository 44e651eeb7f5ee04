"""What an error means, and what a person can do about it: a few words and a sentence for each code.

Besides these there are the codes of the vendor that its page does not name: they are shown as they
are, with the advice to ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from conversion_sync.api.errors import ErrorCode
from conversion_sync.models import Status

__all__ = ["EXPLANATIONS", "Explanation", "error_words", "is_known", "needs_a_person", "remedy"]


@dataclass(frozen=True)
class Explanation:
    """What an error with a code means, in a few words, and what to do about it, in a sentence.

    Attributes:
        retried: what to do about a row that is tried again by itself, where that is less.
        failed: what to do about a row that failed for good, where that is less.
        needs_a_person: a row that is tried again with it arrives only when somebody has acted.
    """

    words: Promise
    remedy: Promise
    retried: Promise | None = None
    failed: Promise | None = None
    needs_a_person: bool = False


EXPLANATIONS: Mapping[str, Explanation] = {
    ErrorCode.VALIDATION_ERROR: Explanation(
        _("refused as not valid"),
        _(
            "Correct the value that the message names, and save: it is sent again. A deletion or a "
            "change of subscription has no form: retry it, or discard the deletion."
        ),
    ),
    ErrorCode.DUPLICATE_ERROR: Explanation(
        _("Conversion has it already"),
        _("Find the other record with the same key in Conversion, merge or delete it, and retry."),
    ),
    ErrorCode.NOT_FOUND: Explanation(
        _("not found in Conversion"),
        _("Push the contact that it belongs to (“Sync now” on the contact), and retry."),
        retried=_(
            "Have an administrator check the address of the API in the settings, and ask "
            "Conversion's support: what waits is then sent by itself."
        ),
        needs_a_person=True,
    ),
    ErrorCode.RATE_LIMIT_EXCEEDED: Explanation(
        _("too many calls"),
        _("Nothing to do: sending goes on by itself, more slowly."),
    ),
    ErrorCode.UNAUTHORIZED: Explanation(
        _("the API key was not accepted"),
        _(
            "Have an administrator put a valid API key into the settings: sending goes on with it. "
            "If the same key is accepted again, it goes on by itself, within the hour, or when you "
            "press “Resume”."
        ),
    ),
    ErrorCode.INTERNAL_ERROR: Explanation(
        _("an error inside Conversion"),
        _(
            "It is tried again by itself, except an engagement: look in Conversion whether that "
            "arrived, then choose “Resend” or “Mark as sent”. If it failed for good, retry later; "
            "tell Conversion's support if it stays so."
        ),
        retried=_("It is tried again by itself; tell Conversion's support if it stays so."),
        failed=_("Retry later; tell Conversion's support if it stays so."),
    ),
    ErrorCode.FORBIDDEN: Explanation(
        _("not allowed"),
        _("Have an administrator give the API key the missing right in Conversion, and retry."),
        retried=_(
            "Have an administrator give the API key the missing right in Conversion: what waits "
            "is then sent by itself."
        ),
        needs_a_person=True,
    ),
    ErrorCode.UNAVAILABLE: Explanation(
        _("Conversion asks to come back later"),
        _("Nothing to do: Conversion said when to come back, and sending goes on then."),
    ),
    ErrorCode.ITEM_ERROR: Explanation(
        _("refused, without a code"),
        _("Correct what the message names, and save; else ask Conversion's support."),
        needs_a_person=True,
    ),
    ErrorCode.MISSING: Explanation(
        _("the answer did not mention it"),
        _("Retry; if it comes again, tell Conversion's support."),
    ),
    ErrorCode.NOT_SENT: Explanation(
        _("Conversion could not be reached"),
        _(
            "It is tried again by itself. If it lasts, have an administrator check the network and "
            "the address of the API."
        ),
    ),
    ErrorCode.WITHHELD: Explanation(
        _("it did not begin in time, or another call was refused; nothing was sent"),
        _("Nothing to do: it is sent again by itself."),
    ),
    ErrorCode.NO_ANSWER: Explanation(
        _("no usable answer came back"),
        _(
            "It is tried again by itself, except an engagement: look in Conversion whether that "
            "arrived, then choose “Resend” or “Mark as sent”. A record that failed for good: retry."
        ),
        retried=_(
            "It is tried again by itself. If it lasts, have an administrator check the network."
        ),
        failed=_("Retry; if it comes again, have an administrator check the network."),
    ),
    ErrorCode.REDIRECTED: Explanation(
        _("the address of the API redirects elsewhere"),
        _(
            "Have an administrator correct the address of the API in the settings, and press "
            "“Resume”. If the redirect ends, sending goes on by itself, within the hour."
        ),
    ),
    ErrorCode.CONTENT_REFUSED: Explanation(
        _("too large, or blocked, on the way to Conversion"),
        _(
            "If it waits: nothing to do at first. If it failed, others arrive: make it smaller, or "
            "take out what a firewall may take for an attack, and save; else have an administrator "
            "ask who runs the proxy or firewall between this site and Conversion."
        ),
        retried=_(
            "Nothing to do at first: it is tried again by itself. If it lasts, have an "
            "administrator ask who runs the proxy or firewall between this site and Conversion."
        ),
        failed=_(
            "Others arrive: make it smaller, or take out what a firewall may take for an attack, "
            "and save; else have an administrator ask who runs the proxy or firewall between this "
            "site and Conversion."
        ),
    ),
    ErrorCode.FOREIGN_ANSWER: Explanation(
        _("something else answered in place of Conversion"),
        _(
            "Have an administrator check the address of the API in the settings, and what is "
            "between this site and Conversion (proxy, gateway, firewall). Then retry what failed."
        ),
        retried=_(
            "Have an administrator check the address of the API in the settings, and what is "
            "between this site and Conversion (proxy, gateway, firewall): what waits is then sent "
            "by itself."
        ),
        needs_a_person=True,
    ),
    ErrorCode.BUG: Explanation(
        _("an error inside this app"),
        _(
            "Have an administrator read the log of the worker, and report what it says. It is "
            "tried again by itself, except an engagement, which is in doubt."
        ),
        retried=_(
            "It is tried again by itself. Have an administrator read the log of the worker, and "
            "report what it says."
        ),
        failed=_(
            "Have an administrator read the log of the worker, and report what it says; then retry."
        ),
        needs_a_person=True,
    ),
    ErrorCode.UNSENDABLE: Explanation(
        _("it can't be read, or kept as it would be sent"),
        _(
            "Shorten the row, make its values less deep, or correct the value that the message "
            "names, and save: it is sent again. Where it can't be opened, have an administrator "
            "do so."
        ),
        needs_a_person=True,
    ),
    ErrorCode.UNSTORABLE: Explanation(
        _("it was given what can't be stored"),
        _(
            "Look for “\ufffd” in the fields that the message names, enter what belongs there, and "
            "save: it is sent again."
        ),
    ),
    ErrorCode.KEY_CLASH: Explanation(
        _("another row has the same key"),
        _(
            "Two rows are the same mailbox, or the same company, in two spellings; only the other "
            "one is sent. Correct the key of one, delete one, or have an administrator merge them "
            "(“conversion_merge”)."
        ),
    ),
    ErrorCode.CONSENT_BLOCKED: Explanation(
        _("an older opt-out stands"),
        _(
            "Leave it so, unless the person has asked to be subscribed again: then somebody with "
            "the permission chooses “Subscribe anyway”, with the reason."
        ),
    ),
    ErrorCode.NOTHING_TO_UNSUBSCRIBE: Explanation(
        _("Conversion knows nobody by this address"),
        _(
            "Nothing to do: the opt-out stands here, and is sent again when this site makes the "
            "record in Conversion. If the contact failed, or its address is wrong, correct that."
        ),
    ),
    ErrorCode.UNREACHABLE: Explanation(
        _("Conversion does not answer"),
        _("Nothing to do: Conversion is asked again by itself until it answers."),
    ),
}

_IN_DOUBT = _(
    "It is not sent again by itself: look in Conversion whether that arrived, then choose "
    "“Resend” or “Mark as sent”."
)

_UNKNOWN = Explanation(
    _("an error that nobody knows"),
    _("Retry; if it comes again, ask Conversion's support, with the code and the message."),
    retried=_(
        "It is tried again by itself; ask Conversion's support, with the code and the message."
    ),
    needs_a_person=True,
)


def is_known(code: str) -> bool:
    """Whether there are words for this code."""
    return code in EXPLANATIONS


def needs_a_person(code: str) -> bool:
    """Whether a row that is tried again after this error arrives only when somebody has acted."""
    return bool(code) and EXPLANATIONS.get(code, _UNKNOWN).needs_a_person


def error_words(code: str) -> str:
    """What an error with this code means; the code itself where nobody knows."""
    return str(EXPLANATIONS[code].words) if code in EXPLANATIONS else code


def remedy(code: str, status: str = "") -> str:
    """What to do about an error with this code; blank where there is no error.

    Args:
        status: of the row; blank where it is asked of an error by itself.
    """
    if status == Status.UNCONFIRMED:
        return str(_IN_DOUBT)
    if not code:
        return ""
    found = EXPLANATIONS.get(code, _UNKNOWN)
    if status in (Status.PENDING, Status.SENDING):
        return str(found.retried or found.remedy)
    return str((found.failed if status == Status.FAILED else None) or found.remedy)
