"""A gate that a 401 or a redirect has shut: when it is asked for, and what opens it again."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from django.db.models import QuerySet

from conversion_sync.models.api_gate import ApiGate
from conversion_sync.models.clock import believed, db_now
from conversion_sync.sync.transactions import short_transaction

__all__ = ["Closure", "closures", "lift", "next_probe_at", "take_probe"]

#: Seconds after the closure until the first probe; doubled with each further one, up to the most.
FIRST, LONGEST = 30.0, 3600.0

#: The probe from which on the time between two of them no longer grows.
_EVEN = 7


@dataclass(frozen=True)
class Closure:
    """The closure that a probe was sent for: it lifts no other."""

    key: str
    at: datetime.datetime | None


def next_probe_at(row: ApiGate) -> datetime.datetime | None:
    """When the closure may next be probed; None where the gate is not closed."""
    closed_at: datetime.datetime | None = row.closed_at
    if closed_at is None:
        return None
    return closed_at + datetime.timedelta(seconds=_offset(row.closure_probes))


def closures(using: str, key: str) -> QuerySet[ApiGate]:
    """The gate, where it is closed for the API key of this fingerprint."""
    return ApiGate.only(using).filter(closed_for=key, closed_at__isnull=False)


def take_probe(using: str, key: str) -> Closure | None:
    """Have the probe that is due, which then nobody else sends; None: there is none now.

    Args:
        key: the fingerprint of the API key that is used now.
    """
    if not closures(using, key).exists():
        return None
    with short_transaction(using):
        row, now = ApiGate.load(using, lock=True), db_now(using)
        if row.closed_for != key or not _is_due(row, now):
            return None
        if row.closed_at is not None and row.closed_at > now:
            # The clock was set back: from now on the closure counts anew.
            row.closed_at, row.closure_probes = now, 0
        probes = _probes_until(row, now)
        ApiGate.write(using, closed_at=row.closed_at, closure_probes=probes)
    return Closure(row.closed_for, row.closed_at)


def lift(using: str, closure: Closure) -> None:
    """Open the gate, where nothing else has shut it since."""
    rows = ApiGate.only(using).filter(closed_for=closure.key, closed_at=closure.at)
    rows.update(closed_for="", closed_reason="", closed_at=None, closure_probes=0)


def _is_due(row: ApiGate, now: datetime.datetime) -> bool:
    if row.closed_at is None or row.paused_at is not None:
        return False
    until = believed(row.blocked_until, now, LONGEST)
    if until is not None and until > now:
        return False
    # A closure in the future: the clock was set back. No wait is believed beyond its own length.
    return row.closed_at > now or (next_probe_at(row) or now) <= now


def _probes_until(row: ApiGate, now: datetime.datetime) -> int:
    """How many probes would have been sent by now: those that were missed are not made up for."""
    elapsed = (now - (row.closed_at or now)).total_seconds()
    probes = row.closure_probes + 1
    if elapsed >= _offset(_EVEN):
        probes = max(probes, _EVEN + int((elapsed - _offset(_EVEN)) // LONGEST) + 1)
    while _offset(probes) <= elapsed:
        probes += 1
    return probes


def _offset(probes: int) -> float:
    """Seconds from the closure to the probe that comes after so many."""
    doubled = FIRST * (2.0 ** (min(probes, _EVEN - 1) + 1) - 1)
    return doubled + LONGEST * max(0, probes - _EVEN + 1)
