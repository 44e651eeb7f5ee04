"""Many items, some at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

__all__ = ["ROWS_AT_ONCE", "in_chunks"]

T = TypeVar("T")

ROWS_AT_ONCE = 1000


def in_chunks(items: Sequence[T], size: int = ROWS_AT_ONCE) -> Iterator[Sequence[T]]:
    """The items, ``size`` at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
