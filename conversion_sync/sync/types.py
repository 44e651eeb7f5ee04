"""Words of the type checker for what the modules of this folder hand to each other."""

from __future__ import annotations

from typing import Any, TypeAlias

from django.db.models import QuerySet

__all__ = ["Condition", "Rows"]

#: Rows of any model that is sent, as a query.
Rows: TypeAlias = QuerySet[Any]

#: What a query takes for true or false of a row: a Q, an Exists, a Value.
Condition: TypeAlias = Any
