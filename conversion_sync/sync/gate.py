"""Whether, and how fast, the API may be called now: one rate and one breaker for all processes."""

from __future__ import annotations

import datetime
import time
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import Case, F, Q, Value, When
from django.utils.crypto import salted_hmac

from conversion_sync import signals
from conversion_sync.api.errors import ConversionError, ErrorCode, RateLimited, Unavailable
from conversion_sync.conf import conf
from conversion_sync.models.api_gate import ApiGate
from conversion_sync.models.clock import DbNow, believed, db_now
from conversion_sync.sync.closure import Closure, lift, next_probe_at, take_probe
from conversion_sync.sync.margin import WIDEST, margin, widened
from conversion_sync.sync.outcomes import Effect, backoff, effect
from conversion_sync.sync.transactions import short_transaction

__all__ = ["Gate", "GateState", "Refusal", "Slots"]

#: Seconds after which a slot is too late to be used.
LATE = 0.05

#: Seconds for which a success that was written stands for those that follow.
MOMENT = 1.0

#: Faults in a row, of the channel as a whole, after which the breaker opens.
BREAKER = 5

#: Seconds: the first wait of the breaker, and the longest.
PROBE_AFTER, PROBE_AFTER_MAX = 2.0, 300.0

#: Why the gate blocks others while a probe of the breaker is on its way.
PROBING = "PROBING"

#: Why the gate waits because it was told to: 429, and 503 that says when to come back.
LIMITS = (ErrorCode.RATE_LIMIT_EXCEEDED, ErrorCode.UNAVAILABLE)

#: Seconds: what is waited after a 429 that names no time, and the longest that is obeyed.
LIMITED_FOR, LIMITED_FOR_MAX = 1.0, 15 * 60.0


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
        self._is_clear = False
        self._success_at: float | None = None

    def take(self, count: int = 1, *, within: float = 0.0) -> Slots | Refusal:
        """Reserve the next slots. The caller sleeps until them, outside of any transaction.

        Args:
            count: how many calls.
            within: seconds that the caller can wait for the first one.
        """
        with short_transaction(self.using):
            row = ApiGate.load(self.using, lock=True)
            now = db_now(self.using)
            self._is_clear = not (row.faults or row.limits or row.blocked_until)
            if refusal := self._refusal(row, now):
                return refusal
            first = max(now, believed(row.next_slot_at, now, _farthest_slot()) or now)
            wait = (first - now).total_seconds()
            # Further ahead nobody reserves: else nobody could tell that the clock was set back.
            if wait > min(within, conf.drain_seconds):
                return Refusal(wait)
            probe = row.faults >= BREAKER
            interval = _interval(margin(row.extra_margin, row.widened_at, now))
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
        """Learn from the end of a call; None is a success.

        Of successes that come one after the other only one in a `MOMENT` is written, as long as the
        gate has nothing that a success ends.
        """
        now = time.monotonic()
        if effect(error) is not Effect.OK:
            self._success_at = None
        elif self._is_clear and self._success_at is not None and now - self._success_at < MOMENT:
            return
        match effect(error):
            case Effect.OK:
                self._answered(last_ok_at=DbNow(), limits=0)
                self._success_at = now
            case Effect.ANSWERED:
                # No success, so that no try counts because of it; but the channel works.
                self._answered()
            case Effect.LIMITED if isinstance(error, RateLimited | Unavailable):
                self._limited(error)
            case Effect.CLOSED if error is not None:
                self.close(error.code)
            case Effect.FAULT:
                self._fault()

    def state(self) -> GateState:
        """How the gate stands now. Writes nothing."""
        row = self._row()
        state = self._state(row, db_now(self.using))
        return replace(state, faults=row.faults, last_ok_at=row.last_ok_at)

    def refusal(self) -> Refusal | None:
        """What ``take`` would say, without taking anything; None where the gate is open."""
        return self._refusal(self._row(), db_now(self.using))

    def works_since(self, when: datetime.datetime) -> bool:
        """Whether a call succeeded after ``when``.

        Faults in a row make that doubtful before they open the breaker: False, ask.
        """
        row, now = ApiGate.load(self.using), db_now(self.using)
        worked = row.last_ok_at is not None and when < row.last_ok_at <= now
        return worked and row.faults < BREAKER - 1

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
            closure_probes=0,
            blocked_until=None,
            blocked_reason="",
            faults=0,
            probes=0,
            limits=0,
        )

    def close(self, reason: str) -> None:
        """Send nothing but probes with this API key, until one is answered or staff act."""
        key = fingerprint(conf.api_key)
        with short_transaction(self.using):
            # A closure that stands keeps its time: calls that were on their way tell nothing new.
            if ApiGate.load(self.using, lock=True).closed_for == key:
                return
            closed = {"closed_for": key, "closed_reason": reason, "closed_at": DbNow()}
            ApiGate.write(self.using, **closed, closure_probes=0)
        signals.gate_closed.send_robust(sender=ApiGate, reason=reason)

    def take_probe(self) -> Closure | None:
        """Have the probe of the closure that stands, where one is due; None: there is none."""
        return take_probe(self.using, fingerprint(conf.api_key))

    def lift(self, closure: Closure) -> None:
        """Open what was closed, where it is still the same closure."""
        lift(self.using, closure)

    def _row(self) -> ApiGate:
        """The row as it is, or as it would be made."""
        return ApiGate.only(self.using).first() or ApiGate()

    def _refusal(self, row: ApiGate, now: datetime.datetime) -> Refusal | None:
        state = self._state(row, now)
        if state.status == "open":
            return None
        if state.status != "waiting" or state.until is None:
            return Refusal(None)
        return Refusal((state.until - now).total_seconds())

    def _state(self, row: ApiGate, now: datetime.datetime) -> GateState:
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

    def _answered(self, **more: Any) -> None:
        # A success of a call that began before a 429 does not lift the wait; that of a probe does.
        broken = Q(blocked_reason__in=(ErrorCode.UNREACHABLE, PROBING))
        ApiGate.write(
            self.using,
            faults=0,
            probes=0,
            blocked_until=Case(When(broken, then=None), default=F("blocked_until")),
            blocked_reason=Case(When(broken, then=Value("")), default=F("blocked_reason")),
            **more,
        )

    def _limited(self, error: RateLimited | Unavailable) -> None:
        with short_transaction(self.using):
            row, now = ApiGate.load(self.using, lock=True), db_now(self.using)
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
            ApiGate.write(self.using, **changes)

    def _fault(self) -> None:
        with short_transaction(self.using):
            row, now = ApiGate.load(self.using, lock=True), db_now(self.using)
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
            ApiGate.write(self.using, **changes)


def _is_blocked(row: ApiGate, now: datetime.datetime, at: datetime.datetime, *reasons: str) -> bool:
    until = blocked_until(row, now)
    return row.blocked_reason in reasons and until is not None and until > at


def blocked_until(row: ApiGate, now: datetime.datetime) -> datetime.datetime | None:
    """Until when calls wait, as far as that can be: no reason blocks for longer than its most."""
    longest = {
        ErrorCode.UNREACHABLE: PROBE_AFTER_MAX,
        PROBING: conf.drain_seconds + conf.call_deadline + 5,
    }
    return believed(row.blocked_until, now, longest.get(row.blocked_reason, LIMITED_FOR_MAX))


def _farthest_slot() -> float:
    """Seconds: no slot that was reserved lies further ahead."""
    return conf.drain_seconds + (max(conf.concurrency, conf.rate_limit) + 1) * _interval(WIDEST)


def _interval(margin: float) -> float:
    """Seconds between two slots, so that no second at the server holds more than the rate."""
    return (1.0 + margin) / conf.rate_limit
