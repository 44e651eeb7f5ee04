"""What is measured: a module for each family of figures, and the list of them.

A module has ``counts``, ``times`` or both: functions that take the sizes and yield figures.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ALL", "FAMILIES", "Family"]

SQLITE, POSTGRES, ALL = ("SQLite",), ("PostgreSQL",), ("SQLite", "PostgreSQL", "MariaDB")
BOTH = (*SQLITE, *POSTGRES)


@dataclass(frozen=True)
class Family:
    """Figures that are measured together.

    Attributes:
        name: of its module.
        on: the databases that it is measured on.
        quickly_on: those of a quick run.
        is_asked_for: it has no target of its own, and is measured only where it is named.
    """

    name: str
    on: tuple[str, ...]
    quickly_on: tuple[str, ...]
    is_asked_for: bool = False


FAMILIES = (
    Family("ceiling", on=ALL, quickly_on=SQLITE),
    Family("lifted", on=ALL, quickly_on=BOTH),
    Family("statements", on=ALL, quickly_on=ALL),
    Family("saves", on=ALL, quickly_on=ALL),
    Family("edits", on=ALL, quickly_on=SQLITE),
    Family("claims", on=ALL, quickly_on=POSTGRES),
    Family("memory", on=BOTH, quickly_on=SQLITE),
    Family("pages", on=POSTGRES, quickly_on=POSTGRES),
    Family("importing", on=BOTH, quickly_on=SQLITE),
    Family("workers", on=POSTGRES, quickly_on=POSTGRES),
    Family("mirrors", on=ALL, quickly_on=SQLITE, is_asked_for=True),
    Family("isolation", on=ALL, quickly_on=POSTGRES, is_asked_for=True),
)
