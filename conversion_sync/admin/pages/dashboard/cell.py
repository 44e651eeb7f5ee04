"""A number in a table of the dashboard."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Cell"]


@dataclass(frozen=True)
class Cell:
    """A number in words, and the list of what it counts."""

    label: str
    count: str
    address: str = ""
