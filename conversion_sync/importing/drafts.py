"""What a line would make of its row, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.core.exceptions import ValidationError

from conversion_sync.importing.source import Line
from conversion_sync.records.edit import Edit

__all__ = ["Draft", "Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a line, or with the cell of it that holds ``value``."""

    message: str
    column: str = ""
    value: str = ""

    def __str__(self) -> str:
        return f"{self.column}: {self.message}" if self.column else self.message


@dataclass(slots=True, kw_only=True)
class Draft(Edit):
    """A row as a line would have it."""

    line: Line
    errors: list[Problem] = field(default_factory=list)

    def complain(self, title: str, error: ValidationError) -> None:
        """Note what is wrong with the cell in the column of this title."""
        value = self.line.cells.get(title, "")
        self.errors += [Problem(message, title, value) for message in error.messages]
