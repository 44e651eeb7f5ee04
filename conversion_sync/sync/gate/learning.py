"""What the gate learns from how a call has ended."""

from __future__ import annotations

import datetime
from typing import Any

from django.db.models import Case, F, Q, Value, When

from conversion_sync.api.errors import ErrorCode, RateLimited, Unavailable
from conversion_sync.models.api_gate import ApiGate
from conversion_sync.models.clock import db_now
from conversion_sync.sync.gate.margin import widened
from conversion_sync.sync.gate.state import (
    BREAKER,
    LIMITED_FOR_MAX,
    PROBE_AFTER_MAX,
    PROBING,
    blocked_until,
)
from conversion_sync.sync.outcomes import backoff
from conversion_sync.sync.transactions import short_transaction

__all__ = ["answered", "fault", "limited"]

#: Seconds: the first wait of the breaker, and what is waited after a 429 that names no time.
PROBE_AFTER, LIMITED_FOR = 2.0, 1.0

#: Why the gate waits because it was told to: 429, and 503 that says when to come back.
LIMITS = (ErrorCode.RATE_LIMIT_EXCEEDED, ErrorCode.UNAVAILABLE)


def answered(using: str, **more: Any) -> None:
    """The channel works: the breaker closes.

    Args:
        more: what else is written.
    """
    # A success of a call that began before a 429 does not lift the wait; that of a probe does.
    broken = Q(blocked_reason__in=(ErrorCode.UNREACHABLE, PROBING))
    ApiGate.write(
        using,
        faults=0,
        probes=0,
        blocked_until=Case(When(broken, then=None), default=F("blocked_until")),
        blocked_reason=Case(When(broken, then=Value("")), default=F("blocked_reason")),
        **more,
    )


def limited(using: str, error: RateLimited | Unavailable) -> None:
    """The API asks to wait, and to call less often from then on."""
    with short_transaction(using):
        row, now = ApiGate.load(using, lock=True), db_now(using)
        # The 429s of calls that were made at once are one.
        limits = row.limits - (row.limits > 0 and _is_blocked(row, now, now, *LIMITS))
        seconds = error.retry_after or min(60.0, LIMITED_FOR * 2.0 ** min(limits, 10))
        until = now + datetime.timedelta(seconds=min(seconds, LIMITED_FOR_MAX))
        changes: dict[str, Any] = {"limits": limits + 1}
        if limits == row.limits:
            extra = widened(row.extra_margin, row.widened_at, now)
            changes |= {"extra_margin": extra, "widened_at": now}
        # A longer wait stands.
        if not _is_blocked(row, now, until, *LIMITS):
            changes |= {"blocked_until": until, "blocked_reason": error.code}
        ApiGate.write(using, **changes)


def fault(using: str) -> None:
    """A fault of the channel: after several in a row the breaker opens."""
    with short_transaction(using):
        row, now = ApiGate.load(using, lock=True), db_now(using)
        changes: dict[str, Any] = {"faults": row.faults + 1}
        # What was on its way when the breaker opened tells nothing new.
        blocked = _is_blocked(row, now, now, ErrorCode.UNREACHABLE, *LIMITS)
        if row.faults + 1 >= BREAKER and not blocked:
            wait = backoff(row.probes, PROBE_AFTER, PROBE_AFTER_MAX)
            changes |= {
                "blocked_until": now + datetime.timedelta(seconds=wait),
                "blocked_reason": ErrorCode.UNREACHABLE,
                "probes": row.probes + 1,
            }
        ApiGate.write(using, **changes)


def _is_blocked(row: ApiGate, now: datetime.datetime, at: datetime.datetime, *reasons: str) -> bool:
    until = blocked_until(row, now)
    return row.blocked_reason in reasons and until is not None and until > at
