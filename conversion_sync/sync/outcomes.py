"""From what came of a call to what becomes of its rows and of the gate; pure."""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass

from conversion_sync.api.errors import (
    ApiError,
    ConversionError,
    Duplicate,
    NoAnswer,
    NotFound,
    NotSent,
    RateLimited,
    Redirected,
    ServerError,
    Unauthorized,
    ValidationFailed,
)

__all__ = ["Decision", "Effect", "Kind", "Outcome", "backoff", "decide", "effect", "splits"]


class Kind(enum.Enum):
    """What a channel does with its rows."""

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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one row.

    ``counts``: the API works otherwise, so the try counts against the row. ``call``: the line
    of the call log.
    """

    decision: Decision
    code: str = ""
    message: str = ""
    remote_id: str = ""
    created: bool = False
    counts: bool = False
    call: int | None = None


def effect(error: ConversionError | None) -> Effect:
    """What the end of a call says of the channel; None is a success."""
    match error:
        case RateLimited():
            return Effect.LIMITED
        case Unauthorized() | Redirected():
            return Effect.CLOSED
        case None | ValidationFailed() | Duplicate() | NotFound():
            return Effect.OK
        case NotSent() | NoAnswer() | ServerError():
            return Effect.FAULT
        case _:
            return Effect.ANSWERED


def splits(error: ConversionError, kind: Kind, *, again: bool) -> bool:
    """Whether a batch that ended so is sent again in parts, to find its bad rows.

    Args:
        again: rows of it ended so more than once, while other calls succeed.
    """
    match error:
        case ValidationFailed() | Duplicate():
            return True
        case NotFound():
            return kind is Kind.SUBSCRIPTION
        case ServerError():
            return again
        case NoAnswer():
            return again and (error.status or 0) >= 500
        case _:
            return False


def decide(error: ConversionError, kind: Kind, *, again: bool = False) -> Outcome:
    """What becomes of a row that was alone in its call, or whose batch is not split.

    Args:
        again: the row ended so the last time too.
    """
    return Outcome(_decision(error, kind, again=again), error.code, str(error.message))


def _decision(error: ConversionError, kind: Kind, *, again: bool) -> Decision:
    match error:
        case ValidationFailed() | Duplicate():
            return Decision.FAILED
        case RateLimited() | Unauthorized() | Redirected():
            return Decision.HOLD
        case NotSent() | ServerError():
            return Decision.RETRY
        case NotFound() if kind is Kind.DELETE:
            return Decision.SYNCED
        case NotFound() if kind in (Kind.SUBSCRIPTION, Kind.ENGAGEMENT):
            return Decision.FAILED if again else Decision.PUSH_CONTACT
        case NoAnswer() if kind is Kind.ENGAGEMENT:
            return Decision.UNCONFIRMED
        case ApiError() if kind is Kind.ENGAGEMENT:
            return Decision.FAILED
        case _:
            return Decision.RETRY


def backoff(attempts: int, step: float, longest: float) -> float:
    """Seconds until the next try: doubled with each one, jittered, never below half.

    Args:
        attempts: the tries that counted so far.
        step: the first wait, in seconds.
        longest: the cap, in seconds.
    """
    full = min(longest, step * 2.0 ** min(attempts, 40))
    return random.uniform(full / 2, full)  # noqa: S311  # jitter, not a secret
