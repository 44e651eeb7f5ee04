"""The gate: one rate and one breaker for all processes."""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from typing import Any

from conversion_sync import signals
from conversion_sync.api.errors import ConversionError, RateLimited, Unavailable
from conversion_sync.conf import conf
from conversion_sync.models.api_gate import ApiGate
from conversion_sync.models.clock import DbNow, believed, db_now
from conversion_sync.sync.gate.clock_watch import ClockWatch
from conversion_sync.sync.gate.closure import Closure, lift, take_probe
from conversion_sync.sync.gate.learning import answered, fault, limited
from conversion_sync.sync.gate.margin import NARROWEST, margin
from conversion_sync.sync.gate.pace import Pace, pace_of
from conversion_sync.sync.gate.slots import Refusal, Slots, farthest_slot
from conversion_sync.sync.gate.state import BREAKER, PROBING, GateState, fingerprint, state_of
from conversion_sync.sync.outcomes import Effect, effect
from conversion_sync.sync.transactions import short_transaction

__all__ = ["Gate"]

#: Seconds for which a success that was written stands for those that follow.
SUCCESS_STANDS = 1.0

#: Seconds: what eight processes, or so, have reserved is no further ahead.
MOST_AHEAD = 5.0

#: Seconds for which a slot that was given can be given back; how far apart two readings of one are.
REMEMBERED, SAME = 10.0, 0.000_01


class Gate:
    """The one row that all processes ask before they call."""

    def __init__(self, using: str = "default") -> None:
        self.using = using
        self._is_clear = False
        self._success_at: float | None = None
        self._given = dict[float, float]()
        self._watch = ClockWatch()

    def take(
        self,
        count: int = 1,
        *,
        within: float = 0.0,
        ahead: float = 0.0,
        width: float = 0.0,
        unused: Sequence[float] = (),
    ) -> Slots | Refusal:
        """Reserve the next slots. The caller sleeps until them, outside of any transaction.

        Args:
            count: how many calls.
            within: seconds that the caller can wait for the first one.
            ahead: seconds before which the caller can't begin.
            width: seconds by which each call may begin later than its time.
            unused: slots that were taken here before, and in which nothing has begun: they are
                given back.
        """
        with short_transaction(self.using):
            row = ApiGate.load(self.using, lock=True)
            asked = time.monotonic()
            now, moment = db_now(self.using), time.monotonic()
            self._is_clear = not (row.faults or row.limits or row.blocked_until)
            if refusal := _refusal(row, now):
                return refusal
            pace = _pace(row, now)
            recent, earliest = self._recent(row, pace, now, unused)
            unknown = self._watch.unknown_for(now, asked, moment, MOST_AHEAD + pace.span)
            earliest = max(earliest, now.timestamp() + max(ahead, unknown))
            slots = [pace.add(recent, earliest, width) for _ in range(count)]
            wait = slots[0] - now.timestamp()
            # Further ahead nobody reserves: else nobody could tell that the clock was set back.
            if wait > max(ahead, min(within, conf.drain_seconds)):
                return Refusal(wait)
            probe = row.faults >= BREAKER
            changes: dict[str, Any] = _written(recent, pace)
            if probe:
                # The others wait for what comes of this probe.
                changes["blocked_until"] = now + datetime.timedelta(
                    seconds=wait + conf.call_deadline + 5
                )
                changes["blocked_reason"] = PROBING
            ApiGate.write(self.using, **changes)
        # On this process's clock, as it was when the database told the time.
        times = [moment + (slot - now.timestamp()) for slot in slots]
        stamps = [slot + width for slot in slots]
        self._remember(dict(zip(times, stamps, strict=True)), moment)
        return Slots(times, probe, width)

    def give_back(self, unused: Sequence[float]) -> None:
        """Let others have slots that were taken here, and in which nothing has begun."""
        with short_transaction(self.using):
            row = ApiGate.load(self.using, lock=True)
            now = db_now(self.using)
            pace = _pace(row, now)
            recent, _ = self._recent(row, pace, now, unused)
            ApiGate.write(self.using, **_written(recent, pace))

    def report(self, error: ConversionError | None) -> None:
        """Learn from the end of a call; None is a success.

        Of successes that come one after the other only one in so many seconds is written
        (`SUCCESS_STANDS`), as long as the gate has nothing that a success ends.
        """
        now = time.monotonic()
        if effect(error) is not Effect.OK:
            self._success_at = None
        elif self._has_just_succeeded(now):
            return
        match effect(error):
            case Effect.OK:
                answered(self.using, last_ok_at=DbNow(), limits=0)
                self._success_at = now
            case Effect.ANSWERED:
                # No success, so that no try counts because of it; but the channel works.
                answered(self.using)
            case Effect.LIMITED if isinstance(error, RateLimited | Unavailable):
                limited(self.using, error)
            case Effect.CLOSED if error is not None:
                self.close(error.code)
            case Effect.FAULT:
                fault(self.using)

    def state(self) -> GateState:
        """How the gate stands now. Writes nothing."""
        return state_of(self._row(), db_now(self.using))

    def refusal(self) -> Refusal | None:
        """What ``take`` would say, without taking anything; None where the gate is open."""
        return _refusal(self._row(), db_now(self.using))

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

    def _has_just_succeeded(self, now: float) -> bool:
        """Whether a success that was written stands for one of now."""
        at = self._success_at
        return self._is_clear and at is not None and now - at < SUCCESS_STANDS

    def _recent(
        self, row: ApiGate, pace: Pace, now: datetime.datetime, unused: Sequence[float]
    ) -> tuple[list[float], float]:
        """The slots that bear on the next one, and when that may be at the earliest.

        Both are in seconds of the epoch.
        """
        free_at = believed(row.next_slot_at, now, farthest_slot())
        if free_at is None:
            return pace.recent((), now.timestamp()), 0.0
        taken = [free_at.timestamp() - before for before in row.taken]
        back = [self._given[slot] for slot in unused if slot in self._given]
        kept = [slot for slot in taken if not any(abs(slot - each) < SAME for each in back)]
        return pace.recent(kept, now.timestamp()), 0.0 if taken else free_at.timestamp()

    def _remember(self, given: dict[float, float], now: float) -> None:
        """Keep which slots were given here, as long as they can be given back."""
        kept = {slot: stamp for slot, stamp in self._given.items() if slot > now - REMEMBERED}
        self._given = kept | given

    def _row(self) -> ApiGate:
        """The row as it is, or as it would be made."""
        return ApiGate.only(self.using).first() or ApiGate()


def _pace(row: ApiGate, now: datetime.datetime) -> Pace:
    now_wide = margin(row.extra_margin, row.widened_at, now)
    # The API has counted otherwise than this: nothing is made up for.
    return pace_of(now_wide, evenly=now_wide > NARROWEST)


def _written(recent: Sequence[float], pace: Pace) -> dict[str, Any]:
    """The columns that say which slots were taken, the earliest first, and when the next one is."""
    free_at = pace.add([*recent], recent[-1]) if recent else 0.0
    return {
        "next_slot_at": datetime.datetime.fromtimestamp(free_at, datetime.UTC),
        "taken": [round(free_at - slot, 6) for slot in recent],
    }


def _refusal(row: ApiGate, now: datetime.datetime) -> Refusal | None:
    state = state_of(row, now)
    if state.status == "open":
        return None
    if state.status != "waiting" or state.until is None:
        return Refusal(None)
    return Refusal((state.until - now).total_seconds())
