"""What several commands say in the same words."""

from __future__ import annotations

from datetime import UTC

from conversion_sync.status.overview import Overview
from conversion_sync.status.spans import span

__all__ = ["counted", "gate_words", "obstacle"]


def counted(count: int, what: str, many: str = "") -> str:
    """“1 row”, “2,345 rows”.

    Args:
        what: the name of one.
        many: that of several (default: with an “s”).
    """
    return f"{count:,} {what if count == 1 else many or f'{what}s'}"


def obstacle(state: Overview) -> str:
    """Why this site sends nothing at all by its settings; "" if it may send."""
    if not state.enabled:
        return "Sending is disabled: CONVERSION_SYNC['ENABLED'] is False."
    if not state.has_key:
        return "There is no API key: set CONVERSION_SYNC['API_KEY']."
    return ""


def gate_words(state: Overview) -> str:
    """How the gate stands, in one sentence."""
    gate = state.gate
    since = f" since {gate.since.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if gate.since else ""
    match gate.status:
        case "paused":
            return f"The gate is paused{since}" + (f" by {gate.reason}." if gate.reason else ".")
        case "closed":
            seconds = (gate.until - state.now).total_seconds() if gate.until else 0.0
            return (
                f"The gate is closed{since} ({gate.reason}): set an API key that is accepted, "
                f"or resume in the admin. It is probed again in {span(max(0.0, seconds))}. "
                "conversion_check says more."
            )
        case "waiting":
            seconds = (gate.until - state.now).total_seconds() if gate.until else 0.0
            return f"The gate opens in {span(max(0.0, seconds))} ({gate.reason})."
    return "The gate is open."
