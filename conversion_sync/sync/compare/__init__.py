"""Rows against their remote records: what differs, what a push changes, what is taken over."""

from __future__ import annotations

from conversion_sync.sync.compare.asking import compare_many, comparisons
from conversion_sync.sync.compare.comparison import Comparison, Field, State, compare, next_push
from conversion_sync.sync.compare.taking import take_theirs

__all__ = [
    "Comparison",
    "Field",
    "State",
    "compare",
    "compare_many",
    "comparisons",
    "next_push",
    "take_theirs",
]
