"""Columns by the names of their fields."""

from __future__ import annotations

from typing import Any

__all__ = ["attname"]


def attname(model: Any, name: str) -> str:
    """The column of a field: of a foreign key, that of the other row's primary key."""
    return str(model._meta.get_field(name).attname)
