"""From what came of a call to what becomes of its rows and of the gate; pure."""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass
from typing import Any

from conversion_sync.api.errors import (
    ApiError,
    Bug,
    ContentRefused,
    ConversionError,
    Duplicate,
    ForeignAnswer,
    NoAnswer,
    NotFound,
    NotSent,
    RateLimited,
    Redirected,
    Refused,
    ServerError,
    Unauthorized,
    Unavailable,
    ValidationFailed,
    Withheld,
)
from conversion_sync.models.messages import Message, stored

__all__ = [
    "Decision",
    "Effect",
    "Operation",
    "Outcome",
    "backoff",
    "decide",
    "decide_deletion",
    "effect",
    "is_stray",
    "may_have_worked",
    "splits",
    "success",
]


class Operation(enum.Enum):
    """What is done with the rows of a kind."""

    UPSERT = "upsert"
    DELETE = "delete"
    SUBSCRIPTION = "subscription"
    ENGAGEMENT = "engagement"


class Decision(enum.Enum):
    """What becomes of a row."""

    SYNCED = "it arrived"
    FAILED = "it needs a person"
    HOLD = "the gate holds it; it loses no try"
    RETRY = "it is tried again after a backoff"
    UNCONFIRMED = "it may have arrived"
    PUSH_CONTACT = "its contact is pushed again first"
    SUPERSEDED = "it no longer matters"


class Effect(enum.Enum):
    """What an answer says of the channel."""

    OK = "the API works"
    ANSWERED = "the API is there, and refuses"
    LIMITED = "too many calls"
    CLOSED = "nothing will work until somebody acts"
    FAULT = "the API may be down"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one row.

    ``created``: the API says that it has made a new record. ``in_doubt``: it may have done the
    work, or made a new record, and did not say so. ``counts``: the API works otherwise, so the try
    counts against the row. ``endless``: it does not fail for the number of its tries. ``call``:
    the line of the call log.
    """

    decision: Decision
    code: str = ""
    message: str = ""
    remote_id: str = ""
    created: bool = False
    in_doubt: bool = False
    counts: bool = False
    endless: bool = False
    call: int | None = None


def success(result: Any, call: int | None) -> Outcome:
    """What came of a row that was alone in a call which succeeded.

    Args:
        result: what the API answered; it may name the record.
        call: the line of the call log.
    """
    remote_id = getattr(result, "remote_id", None) or ""
    return Outcome(Decision.SYNCED, remote_id=remote_id, call=call)


def effect(error: ConversionError | None) -> Effect:
    """What the end of a call says of the channel; None is a success."""
    match error:
        case RateLimited() | Unavailable():
            return Effect.LIMITED
        case Unauthorized() | Redirected():
            return Effect.CLOSED
        case None | ValidationFailed() | Duplicate() | NotFound():
            return Effect.OK
        case Refused():
            return Effect.ANSWERED
        case Bug() | Withheld():
            return Effect.NOTHING
        case _:
            return Effect.FAULT


def splits(error: ConversionError, operation: Operation, *, again: bool) -> bool:
    """Whether a batch that ended so is sent again in parts, to find its bad rows.

    Args:
        again: rows of it ended so more than once, while other calls succeed.
    """
    match error:
        case ValidationFailed() | Duplicate() | ContentRefused() | Bug():
            return True
        case NotFound():
            return operation is Operation.SUBSCRIPTION
        case ServerError():
            return again
        case NoAnswer():
            return again and (error.status or 0) >= 500
        case _:
            return False


def decide(
    error: ConversionError,
    operation: Operation,
    *,
    again: bool = False,
    others_arrive: bool = False,
) -> Outcome:
    """What becomes of a row that was alone in its call, or whose batch is not split.

    Args:
        again: the row ended so the last time too.
        others_arrive: another row's call to the same endpoint has succeeded since the content of
            this one was first refused.
    """
    decision = _decision(error, operation, again=again, others_arrive=others_arrive)
    endless = isinstance(error, ContentRefused)
    return Outcome(
        decision, error.code, str(error.message), in_doubt=may_have_worked(error), endless=endless
    )


def may_have_worked(error: ConversionError) -> bool:
    """Whether a call that ended so may have done its work all the same."""
    return isinstance(error, NoAnswer | ServerError | Unavailable | Bug)


def _decision(
    error: ConversionError, operation: Operation, *, again: bool, others_arrive: bool
) -> Decision:
    is_event = operation is Operation.ENGAGEMENT
    match error:
        case ValidationFailed() | Duplicate():
            return Decision.FAILED
        case ContentRefused():
            return Decision.FAILED if others_arrive else Decision.RETRY
        case RateLimited() | Unavailable() | Unauthorized() | Redirected():
            return Decision.HOLD
        case Withheld():
            return Decision.HOLD
        case NotSent():
            return Decision.RETRY
        case NotFound() if operation is Operation.DELETE:
            return Decision.SYNCED
        case NotFound() if operation is Operation.SUBSCRIPTION or is_event:
            return Decision.FAILED if again else Decision.PUSH_CONTACT
        case NoAnswer() | ServerError() | Bug() if is_event:
            return Decision.UNCONFIRMED
        case ApiError() | ForeignAnswer() if is_event:
            return Decision.FAILED
        case _:
            return Decision.RETRY


def is_stray(error: ConversionError | None) -> bool:
    """Whether a call ended in a 404 that is not the API's, and so says nothing of a record."""
    return isinstance(error, ForeignAnswer) and error.status == 404


def decide_deletion(error: ConversionError, asked: ConversionError | None) -> Outcome:
    """What becomes of a deletion that ended in a stray 404.

    Args:
        error: that 404.
        asked: what a GET of the same key ended in; None: the record is there.
    """
    match asked:
        case NotFound():
            return Outcome(Decision.SYNCED)
        case ForeignAnswer() | ContentRefused():
            return Outcome(Decision.FAILED, error.code, _intercepted(error))
        case NoAnswer() if 200 <= (asked.status or 0) < 300:
            return Outcome(Decision.FAILED, error.code, _intercepted(error))
        case None:
            return decide(error, Operation.DELETE)
        case _:
            return decide(asked, Operation.DELETE)


def _intercepted(error: ConversionError) -> str:
    """What is said of a deletion that never reached the API."""
    return stored(Message.INTERCEPTED, answer=str(error.message))


def backoff(attempts: int, step: float, longest: float) -> float:
    """Seconds until the next try: doubled with each one, jittered, never below half.

    Args:
        attempts: the tries that counted so far.
        step: the first wait, in seconds.
        longest: the cap, in seconds.
    """
    full = min(longest, step * 2.0 ** min(attempts, 40))
    return random.uniform(full / 2, full)  # noqa: S311  # jitter, not a secret
