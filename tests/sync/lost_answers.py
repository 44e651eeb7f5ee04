"""Answers that are lost after the work was done."""

from __future__ import annotations

from typing import Any

from conversion_sync.models import ApiGate
from conversion_sync.sync.drain import drain

__all__ = ["LOST", "configured", "lose_answer"]

#: What the sandbox does, by how the answer is lost.
LOST: dict[str, tuple[str, dict[str, Any]]] = {
    "reset": ("drop_after", {}),
    "timeout": ("hang", {}),
    "half": ("truncated_json", {}),
    "garbage": ("garbage", {}),
    "500": ("status", {"status": 500, "worked": True}),
    "html 502": ("html", {"status": 502, "worked": True}),
    "503, later": ("status", {"status": 503, "headers": {"Retry-After": "100"}, "worked": True}),
    "not mentioned": ("short_data", {}),
}


def configured(settings, **more) -> None:
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, **more}


def lose_answer(conversion, settings, way: str, path: str) -> None:
    """Let the next call of a path do its work, and its answer be lost; the gate stays open."""
    kind, options = LOST[way]
    if way == "timeout":
        configured(settings, CALL_DEADLINE=1)
    conversion.fail(kind, path=path, **options)
    drain()
    configured(settings, CALL_DEADLINE=20)
    ApiGate.write("default", blocked_until=None)
