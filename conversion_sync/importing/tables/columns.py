"""The columns of a file, and those that name rows of another model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from conversion_sync.models import Company, Contact

__all__ = ["Columns", "Reference"]


@dataclass(frozen=True)
class Columns:
    """The columns of one file: the title of each known one, and the variables.

    ``variables``: for each title, what makes a value of the text of a cell.
    """

    known: Mapping[str, str]
    variables: Mapping[str, Callable[[str], Any]]


@dataclass(frozen=True, slots=True)
class Reference:
    """A column that names a row of another model by its key."""

    field: str
    model: type[Company] | type[Contact]
    normal: Callable[[str], str]
