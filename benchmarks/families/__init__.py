"""What is measured: a module for each family of figures, and the list of them.

A module has ``counts``, ``times`` or both: functions that take the sizes and yield figures.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FAMILIES", "Family"]

SQLITE, POSTGRES, ALL = ("SQLite",), ("PostgreSQL",), ("SQLite", "PostgreSQL", "MariaDB")
BOTH = (*SQLITE, *POSTGRES)


@dataclass(frozen=True)
class Family:
    """Figures that are measured together.

    Attributes:
        name: of its module.
        counted_on: the databases for its ``counts``.
        timed_on: the databases for its ``times``.
        quickly_on: those of them in a quick run.
        is_asked_for: it has no target of its own, and is measured only where it is named.
    """

    name: str
    counted_on: tuple[str, ...] = ()
    timed_on: tuple[str, ...] = ()
    quickly_on: tuple[str, ...] = ()
    is_asked_for: bool = False


FAMILIES = (
    Family("ceiling", timed_on=ALL, quickly_on=SQLITE),
    Family("lifted", timed_on=ALL, quickly_on=SQLITE),
    Family("statements", counted_on=ALL),
    Family("saves", counted_on=ALL, timed_on=ALL, quickly_on=SQLITE),
    Family("edits", timed_on=BOTH, quickly_on=SQLITE),
    Family("claims", timed_on=ALL, quickly_on=POSTGRES),
    Family("memory", counted_on=BOTH),
    Family("pages", counted_on=POSTGRES, timed_on=POSTGRES),
    Family("importing", counted_on=BOTH, timed_on=BOTH, quickly_on=SQLITE),
    Family("workers", counted_on=POSTGRES, timed_on=POSTGRES, quickly_on=POSTGRES),
    Family("mirrors", timed_on=ALL, quickly_on=SQLITE, is_asked_for=True),
    Family("isolation", timed_on=("PostgreSQL", "MariaDB"), quickly_on=POSTGRES, is_asked_for=True),
)
