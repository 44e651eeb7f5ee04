"""Commands say times and numbers in one plain style, whatever the language of the site."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

__all__ = ["is_plain", "plain"]

_is_plain = ContextVar("conversion_sync_is_plain", default=False)


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """Within it, times are said as “2026-11-24 16:58 UTC”, and numbers as “1,240”."""
    token = _is_plain.set(True)
    try:
        yield
    finally:
        _is_plain.reset(token)


def is_plain() -> bool:
    """Whether that is so here."""
    return _is_plain.get()
