"""What is wrong with a line."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a line, or with the cell of it that holds ``value``."""

    message: str
    column: str = ""
    value: str = ""

    def __str__(self) -> str:
        return f"{self.column}: {self.message}" if self.column else self.message
