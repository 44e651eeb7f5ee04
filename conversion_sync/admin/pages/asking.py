"""The question to Conversion, of somebody who waits for its answer, for the record of a row."""

from __future__ import annotations

from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from conversion_sync.admin.badges import said
from conversion_sync.api import ConfigurationError
from conversion_sync.api.errors import ErrorCode
from conversion_sync.conf import conf
from conversion_sync.models.database import database
from conversion_sync.status.errors import error_words, remedy
from conversion_sync.status.glance import stopped_by
from conversion_sync.sync.compare import Comparison, compare_many
from conversion_sync.sync.deliveries import NoSlot
from conversion_sync.sync.gate import Gate
from conversion_sync.sync.run import Run
from conversion_sync.sync.transactions import CallInTransaction

__all__ = ["CannotCompare", "ask"]

#: Seconds that a person waits for a slot, and then for the answer.
SLOT_SECONDS, CALL_SECONDS = 3.0, 7.0

#: Characters of what Conversion says of an error.
TEXT_LENGTH = 500


class CannotCompare(Exception):
    """Conversion could not be asked: why, and what to do."""

    def __init__(self, why: str, advice: str = "") -> None:
        super().__init__(why)
        self.why, self.advice = why, advice


def ask(row: Any) -> Comparison:
    """Ask Conversion for the record of the row.

    Raises:
        CannotCompare: it could not be asked.
    """
    if not conf.can_send:
        raise CannotCompare(_("The settings hold no API key, or sending is switched off."))
    run = Run(database(), SLOT_SECONDS, call_deadline=CALL_SECONDS)
    try:
        found = next(compare_many([row], run, give_way=False), None)
    except NoSlot as no_slot:
        raise _without_slot() from no_slot
    except ConfigurationError as error:
        raise CannotCompare(str(error)) from error
    except CallInTransaction as error:
        raise CannotCompare(
            _("The site runs this page in a transaction, in which Conversion is never called."),
            _("Have a developer keep the views of the admin as the admin marks them."),
        ) from error
    if found is None:
        raise CannotCompare(_("There was no time to ask. Try again."))
    if found.error is not None:
        why = said(found.error.message, found.error.code, TEXT_LENGTH)
        raise CannotCompare(f"{why} ({found.error.code})", _advice(found.error.code))
    return found


def _advice(code: str) -> str:
    """What to do about an error to which a question has led: nothing is tried again by itself."""
    match code:
        case ErrorCode.UNAUTHORIZED | ErrorCode.REDIRECTED:
            return remedy(code)
        case ErrorCode.RATE_LIMIT_EXCEEDED | ErrorCode.UNAVAILABLE:
            return _("Conversion asks to come back a little later: try again then.")
        case ErrorCode.FORBIDDEN:
            return _(
                "Have an administrator give the API key the missing right in Conversion, and try "
                "again."
            )
        case ErrorCode.NOT_SENT | ErrorCode.WITHHELD | ErrorCode.NO_ANSWER:
            return _(
                "Try again. If it lasts, have an administrator check the network and the address "
                "of the API."
            )
        case ErrorCode.FOREIGN_ANSWER | ErrorCode.CONTENT_REFUSED:
            return _(
                "Have an administrator check the address of the API in the settings, and what is "
                "between this site and Conversion (proxy, gateway, firewall)."
            )
        case _:
            return _(
                "Try again; if it comes again, ask Conversion's support, with the code and the "
                "message."
            )


def _without_slot() -> CannotCompare:
    """Why the gate has let no call through, and what to do."""
    gate = Gate(database()).state()
    if gate.status == "open":
        return CannotCompare(_("Other calls had all the time that there was."), _("Try again."))
    if gate.status != "waiting" and (stopped := stopped_by(database())):
        return CannotCompare(stopped.words, stopped.advice)
    return CannotCompare(f"{capfirst(error_words(gate.reason))}.", remedy(gate.reason))
