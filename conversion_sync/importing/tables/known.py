"""What the database knows of what some lines are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Known"]


@dataclass(slots=True)
class Known:
    """What the database knows of the keys of some lines; the rows are locked."""

    rows: dict[str, Any]
    references: dict[str, int]
    opted_out: frozenset[str] = frozenset()
    #: Who opts out in the same file, on whichever line.
    opting_out: frozenset[str] = frozenset()
    #: Companies by their name, where only one has it.
    companies: Mapping[str, int] = field(default_factory=dict)
