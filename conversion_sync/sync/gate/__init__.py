"""Whether, and how fast, the API may be called now: one rate and one breaker for all processes."""

from __future__ import annotations

from conversion_sync.sync.gate.gate import Gate
from conversion_sync.sync.gate.pace import is_fast, leeway
from conversion_sync.sync.gate.slots import LATE, WIDEST_SLOT, Refusal, Slots
from conversion_sync.sync.gate.state import BREAKER, GateState, fingerprint

__all__ = [
    "BREAKER",
    "LATE",
    "WIDEST_SLOT",
    "Gate",
    "GateState",
    "Refusal",
    "Slots",
    "fingerprint",
    "is_fast",
    "leeway",
]
