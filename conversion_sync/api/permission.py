"""Whether a call may be made in this process: who uses this package may forbid it."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["CallForbidden", "ask_permission", "require_permission"]


class CallForbidden(RuntimeError):
    """A call was to be made where none may be; the message says why. Nothing was sent."""


_asks: list[Callable[[str], str]] = []


def require_permission(ask: Callable[[str], str]) -> None:
    """Have each call be allowed first.

    Args:
        ask: given the base URL, it returns why no call may be made there, or "".
    """
    if ask not in _asks:
        _asks.append(ask)


def ask_permission(base_url: str) -> None:
    """See that a call may be made.

    Raises:
        CallForbidden: it may not.
    """
    for ask in _asks:
        if why := ask(base_url):
            raise CallForbidden(why)
