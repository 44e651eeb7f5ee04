"""How the gate stands: what its row says at a moment."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace

from django.utils.crypto import salted_hmac

from conversion_sync.api.errors import ErrorCode
from conversion_sync.conf import conf
from conversion_sync.models.api_gate import ApiGate
from conversion_sync.models.clock import believed
from conversion_sync.sync.gate.closure import next_probe_at

__all__ = [
    "BREAKER",
    "LIMITED_FOR_MAX",
    "PROBE_AFTER_MAX",
    "PROBING",
    "GateState",
    "blocked_until",
    "fingerprint",
    "state_of",
]

#: Faults in a row, of the channel as a whole, after which the breaker opens.
BREAKER = 5

#: Seconds: the longest wait of the breaker.
PROBE_AFTER_MAX = 300.0

#: Why the gate blocks others while a probe of the breaker is on its way.
PROBING = "PROBING"

#: Seconds: the longest wait that is obeyed where the API asks to wait.
LIMITED_FOR_MAX = 15 * 60.0


@dataclass(frozen=True)
class GateState:
    """How the gate stands, for people.

    Attributes:
        status: ``open``, ``waiting`` (until a time), ``closed`` (until the key changes, staff
            resume, or a probe is answered) or ``paused`` (until staff resume).
        until: when it opens; where it is closed, when it may next be probed.
        faults: calls in a row, up to now, that the API did not answer.
        last_ok_at: when a call last succeeded.
    """

    status: str
    until: datetime.datetime | None = None
    reason: str = ""
    since: datetime.datetime | None = None
    faults: int = 0
    last_ok_at: datetime.datetime | None = None

    @property
    def is_broken(self) -> bool:
        """Whether the API has not answered for so often that it counts as down."""
        return self.faults >= BREAKER


def state_of(row: ApiGate, now: datetime.datetime) -> GateState:
    """What the row says of the gate at this time."""
    return replace(_state(row, now), faults=row.faults, last_ok_at=row.last_ok_at)


def _state(row: ApiGate, now: datetime.datetime) -> GateState:
    if row.paused_at:
        return GateState("paused", reason=row.paused_by, since=row.paused_at)
    if row.closed_for and row.closed_for == fingerprint(conf.api_key):
        # A closure that lies ahead: the clock was set back, and a probe is due.
        until = now if row.closed_at and row.closed_at > now else next_probe_at(row)
        return GateState("closed", until, row.closed_reason, row.closed_at)
    until = blocked_until(row, now)
    if until is not None and until > now:
        reason = ErrorCode.UNREACHABLE if row.blocked_reason == PROBING else row.blocked_reason
        return GateState("waiting", until=until, reason=reason)
    return GateState("open")


def fingerprint(api_key: str) -> str:
    """A keyed hash by which the gate remembers for which key it is closed."""
    return salted_hmac("conversion_sync.gate", api_key, algorithm="sha256").hexdigest()


def blocked_until(row: ApiGate, now: datetime.datetime) -> datetime.datetime | None:
    """Until when calls wait, as far as that can be: no reason blocks for longer than its most."""
    longest = {
        ErrorCode.UNREACHABLE: PROBE_AFTER_MAX,
        PROBING: conf.drain_seconds + conf.call_deadline + 5,
    }
    return believed(row.blocked_until, now, longest.get(row.blocked_reason, LIMITED_FOR_MAX))
