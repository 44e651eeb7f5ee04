"""What this app itself says of a row: stored as a code with parameters, put into words when shown.

So staff read it in their own language. What the vendor says is stored as it came.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Message", "Stored", "read", "stored"]

#: What a stored message of ours begins with; after it come its code, and its parameters as JSON.
MARK = "conversion_sync:"


class Message(enum.StrEnum):
    """What may be said; the parameters are behind it."""

    KEY_TOO_LONG = "key-too-long"
    #: ``kind`` (the model's name), ``row`` and ``name`` of the row that holds the key.
    KEY_HELD = "key-held"
    KEY_HELD_SOMEWHERE = "key-held-somewhere"
    #: ``kind`` (the model's name) and ``fields`` (their names): something else stands in them.
    REPLACED = "replaced"
    UNKNOWN_STATUS = "unknown-status"
    WORKER_STOPPED = "worker-stopped"
    WORKERS_STOPPED = "workers-stopped"
    #: ``answer``: what something in place of the API said.
    INTERCEPTED = "intercepted"
    BATCH_REFUSED = "batch-refused"
    NOT_MENTIONED = "not-mentioned"
    NOBODY_THERE = "nobody-there"
    OPT_OUT_HERE = "opt-out-here"
    OPT_OUT_THERE = "opt-out-there"
    OPT_OUT_SINCE = "opt-out-since"
    #: ``word``: the subscription status that the API gave.
    UNKNOWN_WORD = "unknown-word"
    # Why a source of the site has no row.
    #: ``conditions`` of the mirror that do not hold, as Django writes them.
    NOT_INCLUDED = "not-included"
    #: ``name``: of the value that is the key.
    NO_KEY = "no-key"
    #: ``name`` of the value, and ``why`` it can't be used.
    UNUSABLE = "unusable"
    #: ``mirror`` and ``source`` that have the row.
    TAKEN = "taken"
    #: ``model`` and ``source`` of what it refers to; both blank where that is nothing.
    NOT_MIRRORED = "not-mirrored"
    SOURCE_GONE = "source-gone"
    NOT_A_SOURCE = "not-a-source"
    #: And another row has that.
    HAS_ANOTHER_KEY = "has-another-key"
    #: And no other source has that.
    LEFT_A_ROW = "left-a-row"
    #: ``why``: the message that would have it leave.
    HELD_BACK = "held-back"
    #: ``since``: what happened before is not entered.
    HAPPENED_BEFORE = "happened-before"


@dataclass(frozen=True)
class Stored:
    """A message as it was stored."""

    message: Message
    parameters: Mapping[str, Any] = field(default_factory=dict)


def stored(message: Message, **parameters: Any) -> str:
    """The message as it is kept in a column.

    Args:
        parameters: those that ``Message`` names; whatever JSON has a word for.
    """
    text = f"{MARK}{message}"
    return f"{text} {json.dumps(parameters)}" if parameters else text


def read(text: str) -> Stored | None:
    """The message that was stored so; None for any other text, such as one of the vendor's."""
    if not text.startswith(MARK):
        return None
    code, _, parameters = text.removeprefix(MARK).partition(" ")
    try:
        found = json.loads(parameters or "{}")
        return Stored(Message(code), found) if isinstance(found, dict) else None
    except (ValueError, RecursionError):
        return None
