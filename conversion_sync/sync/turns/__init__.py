"""Whose turn it is in a drain, and how each kind's endpoint stands."""

from __future__ import annotations

from conversion_sync.sync.turns.names import JOBS, RENAMES, after
from conversion_sync.sync.turns.turns import Turns

__all__ = ["JOBS", "RENAMES", "Turns", "after"]
