"""What is written of a row when it comes to a state."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from django.db.models import F
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Coalesce

from conversion_sync.conf import conf
from conversion_sync.models import Status
from conversion_sync.models.clock import DbNow
from conversion_sync.models.messages import Message, stored
from conversion_sync.models.state import BULK

__all__ = [
    "FAILED_AFTER",
    "WORKERS_STOPPED",
    "arrived",
    "failed",
    "free",
    "in_seconds",
    "is_out_of_tries",
    "since",
    "tried_in_vain",
    "vendor_text",
]

#: A row is FAILED for its faults only after so long.
FAILED_AFTER = datetime.timedelta(days=1)

#: Why a row that outlived all its leases has failed.
WORKERS_STOPPED = stored(Message.WORKERS_STOPPED)


def vendor_text(text: str) -> str:
    """A text of the vendor's as any database can hold it."""
    return text.encode(errors="replace").decode().replace("\0", "")


def arrived() -> dict[str, Any]:
    return free() | {
        "sync_status": Status.SYNCED,
        "due_at": None,
        "last_error_code": "",
        "last_error_message": "",
    }


def free() -> dict[str, Any]:
    """No claim, no failures, nobody waiting."""
    return {"claim": None, "attempts": 0, "failing_since": None, "priority": BULK}


def failed(code: str, message: str) -> dict[str, Any]:
    return free() | {
        "sync_status": Status.FAILED,
        "due_at": None,
        "last_error_code": vendor_text(code)[:64],
        "last_error_message": vendor_text(message),
    }


def tried_in_vain(code: str, message: str, wait: float) -> dict[str, Any]:
    """A try that counts; the next one is in ``wait`` seconds."""
    return {
        "sync_status": Status.PENDING,
        "claim": None,
        "due_at": in_seconds(wait),
        "attempts": F("attempts") + 1,
        "failing_since": since(),
        "last_error_code": code,
        "last_error_message": message,
    }


def is_out_of_tries(row: Any, clock: Callable[[], datetime.datetime]) -> bool:
    """Whether one more counted try is the last: after many of them, and a day.

    Args:
        clock: says what time it is; it is asked only where that decides.
    """
    return (
        row.attempts + 1 >= conf.max_attempts
        and row.failing_since is not None
        and clock() - row.failing_since >= FAILED_AFTER
    )


def since() -> Coalesce:
    """Since when a row that was tried in vain just now has failed."""
    return Coalesce(F("failing_since"), DbNow())


def in_seconds(seconds: float) -> CombinedExpression:
    """The time of the database in so many seconds."""
    return DbNow() + datetime.timedelta(seconds=seconds)
