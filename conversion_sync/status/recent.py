"""What takes long to count, as it was counted last."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from django.core.cache import cache
from django.utils.translation import get_language

from conversion_sync.status.counts import KindState, count_kinds

__all__ = ["recent", "recent_kinds"]

T = TypeVar("T")

#: Seconds from which counting takes long, and how many times as long it then rests.
SLOW, REST = 1.0, 10


def recent(name: str, using: str, count: Callable[[str], T]) -> T:
    """What is counted. Where that takes long, what was counted last serves for a while.

    No more than a tenth of the time goes into counting, however many people look on.

    Args:
        name: by which it is kept.
        count: counts in a database.
    """
    key = f"conversion_sync.{name}.{using}.{get_language()}"
    if (known := cache.get(key)) is not None:
        return cast("T", known)
    began = time.monotonic()
    found = count(using)
    if (seconds := time.monotonic() - began) > SLOW:
        cache.set(key, found, timeout=REST * seconds)
    return found


def recent_kinds(using: str) -> Sequence[KindState]:
    """The rows, counted."""
    return recent("kind_states", using, count_kinds)
