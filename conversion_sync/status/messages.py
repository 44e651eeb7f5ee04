"""The messages that this app stores, in words of the reader's language."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.utils.dateparse import parse_datetime
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conversion_sync.models.messages import Message, read
from conversion_sync.status import times

__all__ = ["in_words", "is_of_a_program"]

_WORDS: Mapping[Message, Promise] = {
    Message.KEY_TOO_LONG: gettext_lazy("The key is too long."),
    Message.KEY_HELD: gettext_lazy("%(kind)s %(row)s has the same key: %(name)s."),
    Message.KEY_HELD_SOMEWHERE: gettext_lazy("Another row has the same key."),
    Message.REPLACED: gettext_lazy(
        "%(fields)s: there was something that can't be stored (a NUL, half of a character, NaN, "
        "infinity, values nested too deep); \ufffd stands in its place."
    ),
    Message.UNKNOWN_STATUS: gettext_lazy("There is no such subscription status."),
    Message.WORKER_STOPPED: gettext_lazy(
        "The worker that was sending it stopped before an answer came."
    ),
    Message.WORKERS_STOPPED: gettext_lazy(
        "Every worker that sent it stopped before an answer came."
    ),
    Message.INTERCEPTED: gettext_lazy(
        "Something between this site and Conversion answered, so it may not be deleted: %(answer)s"
    ),
    Message.BATCH_REFUSED: gettext_lazy("Its batch was refused."),
    Message.NOT_MENTIONED: gettext_lazy("The answer did not mention it."),
    Message.NOBODY_THERE: gettext_lazy("Conversion knows nobody by this address."),
    Message.OPT_OUT_HERE: gettext_lazy("An opt-out stands in the log."),
    Message.OPT_OUT_THERE: gettext_lazy("Conversion says that this person unsubscribed."),
    Message.OPT_OUT_SINCE: gettext_lazy(
        "An earlier try may have arrived, and Conversion says that this person unsubscribed: it"
        " may have been since then."
    ),
    Message.UNKNOWN_WORD: gettext_lazy(
        "Conversion says “%(word)s” of this person: nobody here knows what that means."
    ),
    Message.NOT_INCLUDED: gettext_lazy("This does not hold of it: %(conditions)s."),
    Message.NO_KEY: gettext_lazy("It has no %(name)s."),
    Message.UNUSABLE: gettext_lazy("%(name)s can't be used: %(why)s"),
    Message.TAKEN: gettext_lazy("%(mirror)s has the row of this key, for %(source)s."),
    Message.NOT_MIRRORED: gettext_lazy("It refers to %(model)s %(source)s, which is not mirrored."),
    Message.SOURCE_GONE: gettext_lazy("The source is gone."),
    Message.NOT_A_SOURCE: gettext_lazy(
        "It is none of the sources that the mirror looks at, or is not in the database."
    ),
    Message.HAS_ANOTHER_KEY: gettext_lazy(
        "It has another key now, of which a row is there already."
    ),
    Message.LEFT_A_ROW: gettext_lazy(
        "Another row was its own, or was to become it, and no source has that now."
    ),
    Message.HELD_BACK: gettext_lazy(
        "It would leave, with so many others that a person has to decide. %(why)s"
    ),
    Message.HAPPENED_BEFORE: gettext_lazy("It happened before %(since)s."),
}


#: Such as “ProtocolError: Connection reset by peer”; not all names of errors end like that one.
_OF_A_PROGRAM = re.compile(
    r"([A-Z]\w*(Error|Exception|Timeout|Warning|ObjectsReturned)|DoesNotExist|gaierror|herror"
    r"|IncompleteRead|Invalid(ChunkLength|Header|JSON|Schema|URL)|MissingSchema"
    r"|RemoteDisconnected|StopIteration|TooManyRedirects)(: .*)?",
    re.DOTALL,
)


def is_of_a_program(text: str) -> bool:
    """Whether a stored message is what a program says of an error, for those who know programs."""
    return _OF_A_PROGRAM.fullmatch(text) is not None


def in_words(text: str) -> str:
    """What a stored message says.

    The vendor's own messages, and the sentences that older releases stored, are as they are.
    """
    found = read(text)
    if found is None:
        return text
    parameters = defaultdict[str, Any](str, found.parameters)
    if found.message is Message.KEY_HELD:
        parameters["kind"] = _kind(str(parameters["kind"]))
    if found.message is Message.REPLACED:
        parameters["fields"] = _fields(str(parameters["kind"]), parameters["fields"])
    if found.message is Message.HAPPENED_BEFORE:
        parameters["since"] = _moment(str(parameters["since"]))
    if found.message is Message.HELD_BACK:
        parameters["why"] = in_words(str(parameters["why"]))
    return times.one_full_stop(str(_WORDS[found.message]) % parameters)


def _moment(text: str) -> str:
    """A time that was stored, as the reader's language has it; the text where it is none."""
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    return times.short(found) if found else text


def _fields(kind: str, names: Any) -> str:
    """What fields of the model of this name are called, at the beginning of a sentence."""
    try:
        model = apps.get_model("conversion_sync", kind)
        labels = [str(model._meta.get_field(name).verbose_name) for name in names]
    except (LookupError, FieldDoesNotExist):
        return _("A value")
    return capfirst(", ".join(labels))


def _kind(name: str) -> str:
    """What a row of the model of this name is called, at the beginning of a sentence."""
    try:
        model = apps.get_model("conversion_sync", name)
    except LookupError:
        return _("A row")
    return capfirst(str(model._meta.verbose_name))
