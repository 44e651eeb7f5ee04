"""What the stand-in answers, before it is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Reply", "failure"]


@dataclass
class Reply:
    """What to answer: an HTTP status, a JSON value, more headers."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


def failure(status: int, code: str, message: str, details: Any = None) -> Reply:
    """Return a failure in the API's envelope."""
    error: dict[str, Any] = {"code": code, "message": message}
    if details is not None:
        error["details"] = details
    return Reply(status, {"success": False, "error": error})
