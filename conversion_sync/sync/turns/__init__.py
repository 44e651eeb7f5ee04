"""Whose turn it is in a drain, and how each kind's endpoint stands."""

from __future__ import annotations

from conversion_sync.sync.turns.names import after, label_of
from conversion_sync.sync.turns.turns import Turns

__all__ = ["Turns", "after", "label_of"]
