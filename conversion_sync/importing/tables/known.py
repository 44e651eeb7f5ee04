"""What the database knows of what some lines are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from conversion_sync.records.known import Known

__all__ = ["KnownOfLines"]


@dataclass(slots=True, kw_only=True)
class KnownOfLines(Known):
    """What the database, and the rest of the file, know of the keys of some lines.

    Args:
        references: the primary keys of the rows of another model that they name, by their keys.
        opting_out: who opts out in the same file, on whichever line.
    """

    references: Mapping[str, int] = field(default_factory=dict)
    opting_out: frozenset[str] = frozenset()
