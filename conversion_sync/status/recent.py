"""The rows as they were counted last, where counting takes long."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import cast

from django.core.cache import cache
from django.utils.translation import get_language

from conversion_sync.status.counts import KindState, count_kinds

__all__ = ["recent_kinds"]

#: Seconds from which counting takes long, and how many times as long it then rests.
SLOW, REST = 1.0, 10


def recent_kinds(using: str) -> Sequence[KindState]:
    """The rows, counted. Where that takes long, those that were counted last serve for a while.

    No more than a tenth of the time goes into counting, however many people look on.
    """
    key = f"conversion_sync.kind_states.{using}.{get_language()}"
    if (known := cache.get(key)) is not None:
        return cast("Sequence[KindState]", known)
    began = time.monotonic()
    kinds = count_kinds(using)
    if (seconds := time.monotonic() - began) > SLOW:
        cache.set(key, kinds, timeout=REST * seconds)
    return kinds
