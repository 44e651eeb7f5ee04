"""What a line says, as values of the columns of its model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError

from conversion_sync.importing.problem import Problem
from conversion_sync.importing.source import Line

__all__ = ["Values"]


@dataclass(slots=True)
class Values:
    """What the cells of a line say, each validated; and what is wrong with them.

    Args:
        key: of the row that the line is about, in its normal form.
        columns: by the names of known columns; None: it becomes blank. What is not there stays.
        bag: what the JSON column is to hold that takes all other columns of the file.
    """

    line: Line
    key: str
    columns: dict[str, Any] = field(default_factory=dict)
    bag: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def complain(self, title: str, error: ValidationError) -> None:
        """Note what is wrong with the cell in the column of this title."""
        value = self.line.cells.get(title, "")
        self.problems += [Problem(message, title, value) for message in error.messages]
