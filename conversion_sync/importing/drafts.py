"""What a line would make of its row, and what is wrong with it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError

from conversion_sync.importing.source import Line

__all__ = ["Change", "Draft", "Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a line, or with the cell of it that holds ``value``."""

    message: str
    column: str = ""
    value: str = ""

    def __str__(self) -> str:
        return f"{self.column}: {self.message}" if self.column else self.message


@dataclass(frozen=True, slots=True)
class Change:
    """A column of a row, before and after."""

    name: str
    before: Any
    after: Any


@dataclass(slots=True)
class Draft:
    """A row as a line would have it; ``changed`` holds what was there before."""

    line: Line
    row: Any
    is_new: bool
    changed: dict[str, Any] = field(default_factory=dict)
    errors: list[Problem] = field(default_factory=list)
    stays_unsubscribed: bool = False

    def assign(self, name: str, value: Any) -> None:
        """Set a column, and note whether that changes it."""
        attname = self.row._meta.get_field(name).attname
        before = self.row.__dict__[attname]
        if _differ(before, value):
            setattr(self.row, attname, value)
            self.changed[name] = before

    def changes(self) -> list[Change]:
        """What the line changes."""
        fields = ((name, self.row._meta.get_field(name).attname) for name in self.changed)
        return [
            Change(name, self.changed[name], self.row.__dict__[attname]) for name, attname in fields
        ]

    def complain(self, title: str, error: ValidationError) -> None:
        """Note what is wrong with the cell in the column of this title."""
        value = self.line.cells.get(title, "")
        self.errors += [Problem(message, title, value) for message in error.messages]


def _differ(before: Any, after: Any) -> bool:
    if isinstance(before, dict):
        # Python takes True, 1 and 1.0 for equal; JSON does not.
        return json.dumps(before, sort_keys=True) != json.dumps(after, sort_keys=True)
    return bool(before != after)
