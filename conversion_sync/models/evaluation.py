"""What an expression comes to that refers to no row."""

from __future__ import annotations

from typing import Any

from django.db import connections
from django.db.models import ExpressionWrapper, F
from django.db.models.sql import Query
from django.db.models.sql.constants import SINGLE

__all__ = ["evaluated"]


def evaluated(expression: Any, field: Any, using: str) -> Any:
    """What the database makes of an expression, for a column of a row that is not there yet.

    Raises:
        ValueError: it refers to a column, of which there is none.
    """
    parts = expression.flatten() if hasattr(expression, "flatten") else [expression]
    if any(isinstance(part, F) for part in parts):
        raise ValueError(f"{field.name}: a new row has no columns that {expression!r} could mean.")
    query = Query(None)
    query.add_annotation(ExpressionWrapper(expression, output_field=field), "value")
    [value] = query.get_compiler(connection=connections[using]).execute_sql(SINGLE)
    return value
