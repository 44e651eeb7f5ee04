"""What a person can do about an error: a sentence for each code."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

__all__ = ["REMEDIES", "remedy"]

#: The API's codes, those of ``api.errors``, and those of ``sync``.
REMEDIES: Mapping[str, Promise] = {
    "VALIDATION_ERROR": _("Correct the value that the message names, and save: it is sent again."),
    "DUPLICATE_ERROR": _(
        "Find the other record with the same key in Conversion, merge or delete it, and retry."
    ),
    "NOT_FOUND": _("Push the contact that it belongs to (“Sync now” on the contact), and retry."),
    "RATE_LIMIT_EXCEEDED": _("Nothing to do: sending goes on by itself, more slowly."),
    "UNAUTHORIZED": _(
        "Have an administrator put a valid API key into the settings: sending goes on with it. "
        "If the same key was made valid again, press “Resume”."
    ),
    "FORBIDDEN": _(
        "Have an administrator give the API key the missing right in Conversion, and retry."
    ),
    "INTERNAL_ERROR": _(
        "It is tried again by itself. If it failed for good, retry later; tell Conversion's "
        "support if it stays so."
    ),
    "NOT_SENT": _(
        "It is tried again by itself. If it lasts, have an administrator check the network and "
        "the address of the API."
    ),
    "NO_ANSWER": _(
        "It is tried again by itself, except an engagement: look in Conversion whether that "
        "arrived, then choose “Resend” or “Mark as sent”. A record that failed for good: retry."
    ),
    "UNREACHABLE": _("Nothing to do: Conversion is asked again by itself until it answers."),
    "REDIRECTED": _(
        "Have an administrator correct the address of the API in the settings, and press “Resume”."
    ),
    "CONSENT_BLOCKED": _(
        "Leave it so, unless the person has asked to be subscribed again: then somebody with the "
        "permission chooses “Subscribe anyway”, with the reason."
    ),
    "MISSING": _("Retry; if it comes again, tell Conversion's support."),
    "BUG": _(
        "Have an administrator read the log of the worker, and report what it says. It is tried "
        "again by itself, except an engagement, which is in doubt."
    ),
}

_UNKNOWN = _("Retry; if it comes again, ask Conversion's support, with the code and the message.")


def remedy(code: str) -> str:
    """What to do about an error with this code; blank where there is no error."""
    return str(REMEDIES.get(code, _UNKNOWN)) if code else ""
