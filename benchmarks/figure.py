"""One figure: what was measured, what it is compared with, its target, and whether it is met."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["TOLERANCE", "Figure", "Verdict", "exit_status"]

#: By so much of a target a figure may be past it, before it is missed.
TOLERANCE = 0.1


class Verdict(StrEnum):
    """What is to be said of a figure."""

    MET = "met"
    NEARLY = "nearly"
    """Past the target, by a tenth of it at most."""
    MISSED = "missed"
    NONE = "no target"
    ABSENT = "not measured"
    BROKEN = "broken"


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        name: what was measured, with its size.
        value: None where it could not be measured; ``note`` says why.
        unit: of ``value`` and ``target``.
        beside: what it is compared with, measured in the same minute.
        target: None where there is none.
        at_least: the target is the least that it may be, else the most.
        is_count: statements, calls, bytes: the same however fast the machine is.
        note: what else a reader has to know.
        is_broken: the benchmark failed.
        database: where it was measured; the runner fills it in.
    """

    name: str
    value: float | None
    unit: str = ""
    beside: str = ""
    target: float | None = None
    at_least: bool = False
    is_count: bool = False
    note: str = ""
    is_broken: bool = False
    database: str = ""

    @property
    def verdict(self) -> Verdict:
        """Whether the target is met."""
        if self.is_broken:
            return Verdict.BROKEN
        if self.value is None:
            return Verdict.ABSENT
        if self.target is None:
            return Verdict.NONE
        if self._reaches(self.target):
            return Verdict.MET
        slack = -TOLERANCE if self.at_least else TOLERANCE
        if self._reaches(self.target * (1 + slack)):
            return Verdict.NEARLY
        return Verdict.MISSED

    def _reaches(self, bound: float) -> bool:
        assert self.value is not None
        return self.value >= bound if self.at_least else self.value <= bound


def exit_status(figures: Iterable[Figure], *, counts_only: bool = False) -> int:
    """1 where a target is missed by more than a tenth, or a benchmark failed; else 0.

    Args:
        counts_only: times are not judged.
    """
    return int(any(_fails(figure, counts_only) for figure in figures))


def _fails(figure: Figure, counts_only: bool) -> bool:
    match figure.verdict:
        case Verdict.BROKEN:
            return True
        case Verdict.MISSED:
            return figure.is_count or not counts_only
    return False
