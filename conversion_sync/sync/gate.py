"""Whether, and how fast, the API may be called now: one rate and one breaker for all processes."""

from __future__ import annotations

import datetime
import time
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils.crypto import salted_hmac

from conversion_sync import signals
from conversion_sync.api.errors import ApiError, ConversionError
from conversion_sync.conf import conf
from conversion_sync.models.fields import DbNow, db_now
from conversion_sync.models.operations import ApiGate
from conversion_sync.sync.outcomes import Effect, backoff, effect

__all__ = ["Gate", "GateState", "Refusal", "Slots"]

#: Seconds by which a call may reach the server late, against another one, and still not be
#: counted into a second that is full: the slots are that much wider apart than the rate says.
SLACK = 0.15

#: Seconds after which a slot is too late to be used.
LATE = 0.05

#: Faults in a row, of the channel as a whole, after which the breaker opens.
BREAKER = 5

#: Seconds: the first wait of the breaker, and the longest.
PROBE_AFTER, PROBE_AFTER_MAX = 2.0, 300.0

#: Why the breaker blocks; and, while a probe is on its way, the others.
BROKEN, PROBING = "UNREACHABLE", "PROBING"

#: Why a 429 blocks.
LIMITED = "RATE_LIMIT_EXCEEDED"

#: Seconds: what is waited after a 429 that names no time, and the longest that is obeyed.
LIMITED_FOR, LIMITED_FOR_MAX = 1.0, 15 * 60.0


@dataclass(frozen=True)
class GateState:
    """How the gate stands, for people.

    Attributes:
        status: ``open``, ``waiting`` (until a time), ``closed`` (until the key changes or staff
            resume) or ``paused`` (until staff resume).
    """

    status: str
    until: datetime.datetime | None = None
    reason: str = ""
    since: datetime.datetime | None = None


@dataclass(frozen=True)
class Refusal:
    """No slot now; ``wait`` in seconds, or None: nobody knows for how long."""

    wait: float | None


@dataclass
class Slots:
    """Times at which calls may begin, on this process's monotonic clock.

    Attributes:
        probe: the breaker is open, and the first call has to be a harmless one.
    """

    times: list[float] = field(default_factory=list)
    probe: bool = False

    def wait(self, index: int = 0) -> float:
        """Sleep until the slot. Returns for how many seconds."""
        seconds = max(0.0, self.times[index] - time.monotonic())
        time.sleep(seconds)
        return seconds

    def is_late(self, index: int = 0) -> bool:
        """Whether the slot has passed, so that a call would crowd later ones.

        A probe crowds none: nobody else may call.
        """
        return not self.probe and time.monotonic() > self.times[index] + LATE


def fingerprint(api_key: str) -> str:
    """A keyed hash by which the gate remembers for which key it is closed."""
    return salted_hmac("conversion_sync.gate", api_key, algorithm="sha256").hexdigest()


class Gate:
    """The one row that all processes ask before they call."""

    def __init__(self, using: str = "default") -> None:
        self.using = using

    def take(self, count: int = 1, *, within: float = 0.0) -> Slots | Refusal:
        """Reserve the next slots. The caller sleeps until them, outside of any transaction.

        Args:
            count: how many calls.
            within: seconds that the caller can wait for the first one.
        """
        with transaction.atomic(using=self.using):
            row = ApiGate.load(self.using, lock=True)
            now = db_now(self.using)
            if refusal := self._refusal(row, now):
                return refusal
            first = max(now, row.next_slot_at or now)
            wait = (first - now).total_seconds()
            if wait > within:
                return Refusal(wait)
            probe = row.faults >= BREAKER
            interval = _interval()
            after = first + datetime.timedelta(seconds=count * interval)
            changes: dict[str, Any] = {"next_slot_at": after}
            if probe:
                # The others wait for what comes of this probe.
                changes["blocked_until"] = now + datetime.timedelta(
                    seconds=wait + conf.call_deadline + 5
                )
                changes["blocked_reason"] = PROBING
            ApiGate.write(self.using, **changes)
        start = time.monotonic() + wait
        return Slots([start + index * interval for index in range(count)], probe)

    def report(self, error: ConversionError | None) -> None:
        """Learn from the end of a call; None is a success."""
        match effect(error):
            case Effect.OK:
                self._answered(last_ok_at=DbNow(), limits=0)
            case Effect.ANSWERED:
                # No success, so that no try counts because of it; but the channel works.
                self._answered()
            case Effect.LIMITED:
                self._limited(error)
            case Effect.CLOSED if error is not None:
                self.close(error.code)
            case Effect.FAULT if error is not None:
                self._fault(error)

    def state(self) -> GateState:
        """How the gate stands now."""
        return self._state(ApiGate.load(self.using), db_now(self.using))

    def refusal(self) -> Refusal | None:
        """What ``take`` would say, without taking anything; None where the gate is open."""
        return self._refusal(ApiGate.load(self.using), db_now(self.using))

    def works_since(self, when: datetime.datetime) -> bool:
        """Whether a call succeeded after ``when``.

        Faults in a row make that doubtful before they open the breaker: False, ask.
        """
        row = ApiGate.load(self.using)
        return row.last_ok_at is not None and row.last_ok_at > when and row.faults < BREAKER - 1

    def pause(self, by: str) -> None:
        """Send nothing until somebody resumes."""
        ApiGate.write(self.using, paused_at=DbNow(), paused_by=by)

    def resume(self) -> None:
        """Open the gate, whatever had shut it."""
        ApiGate.write(
            self.using,
            paused_at=None,
            paused_by="",
            closed_for="",
            closed_reason="",
            closed_at=None,
            blocked_until=None,
            blocked_reason="",
            faults=0,
            probes=0,
            limits=0,
        )

    def close(self, reason: str) -> None:
        """Send nothing with this API key until staff act."""
        ApiGate.write(
            self.using,
            closed_for=fingerprint(conf.api_key),
            closed_reason=reason,
            closed_at=DbNow(),
        )
        signals.gate_closed.send_robust(sender=ApiGate, reason=reason)

    def _refusal(self, row: ApiGate, now: datetime.datetime) -> Refusal | None:
        state = self._state(row, now)
        if state.status == "open":
            return None
        return Refusal((state.until - now).total_seconds() if state.until else None)

    def _state(self, row: ApiGate, now: datetime.datetime) -> GateState:
        if row.paused_at:
            return GateState("paused", reason=row.paused_by, since=row.paused_at)
        if row.closed_for and row.closed_for == fingerprint(conf.api_key):
            return GateState("closed", reason=row.closed_reason, since=row.closed_at)
        if row.blocked_until and row.blocked_until > now:
            reason = BROKEN if row.blocked_reason == PROBING else row.blocked_reason
            return GateState("waiting", until=row.blocked_until, reason=reason)
        return GateState("open")

    def _answered(self, **more: Any) -> None:
        ApiGate.write(self.using, faults=0, probes=0, **more)
        # A success of a call that began before a 429 does not lift the wait; that of a probe does.
        ApiGate.only(self.using).filter(blocked_reason__in=(BROKEN, PROBING)).update(
            blocked_until=None, blocked_reason=""
        )

    def _limited(self, error: ConversionError | None) -> None:
        asked = error.retry_after if isinstance(error, ApiError) else None
        with transaction.atomic(using=self.using):
            row, now = ApiGate.load(self.using, lock=True), db_now(self.using)
            # The 429s of calls that were made at once are one.
            limits = row.limits - (row.limits > 0 and _is_blocked(row, now, LIMITED))
            seconds = asked or min(60.0, LIMITED_FOR * 2.0 ** min(limits, 10))
            until = now + datetime.timedelta(seconds=min(seconds, LIMITED_FOR_MAX))
            changes: dict[str, Any] = {"limits": limits + 1}
            # A longer wait stands.
            if not _is_blocked(row, until, LIMITED):
                changes |= {"blocked_until": until, "blocked_reason": LIMITED}
            ApiGate.write(self.using, **changes)

    def _fault(self, error: ConversionError) -> None:
        with transaction.atomic(using=self.using):
            row, now = ApiGate.load(self.using, lock=True), db_now(self.using)
            changes: dict[str, Any] = {"faults": row.faults + 1}
            # What was on its way when the breaker opened tells nothing new.
            if row.faults + 1 >= BREAKER and not _is_blocked(row, now, BROKEN, LIMITED):
                wait = backoff(row.probes, PROBE_AFTER, PROBE_AFTER_MAX)
                changes |= {
                    "blocked_until": now + datetime.timedelta(seconds=wait),
                    "blocked_reason": BROKEN,
                    "probes": row.probes + 1,
                }
            ApiGate.write(self.using, **changes)


def _is_blocked(row: ApiGate, at: datetime.datetime, *reasons: str) -> bool:
    return (
        row.blocked_reason in reasons and row.blocked_until is not None and row.blocked_until > at
    )


def _interval() -> float:
    """Seconds between two slots, so that no second at the server holds more than the rate."""
    return (1.0 + SLACK) / conf.rate_limit
