"""One field, before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Change"]


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one field; a blank is None in what Conversion has, else as the row has it."""

    name: str
    before: Any
    after: Any
