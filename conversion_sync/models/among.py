"""Rows that are found by their primary keys."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, TypeAlias

from django.core.exceptions import EmptyResultSet
from django.db.models import F, Lookup

__all__ = ["among"]

if TYPE_CHECKING:
    _Lookup: TypeAlias = Lookup[Any]
else:
    _Lookup = Lookup


def among(pks: Collection[int], column: str = "pk") -> Lookup[Any]:
    """The condition that a row is one of these; the statement is that of ``pk__in``.

    Django resolves and prepares each value of that by itself, which a primary key does not need:
    for two hundred of them that took as long as the rest of their statement.

    Args:
        column: the primary key, or a reference to rows that have these.
    """
    return _Among(F(column), tuple(dict.fromkeys(pks)))


class _Among(_Lookup):
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        if not self.rhs:
            raise EmptyResultSet
        column, parameters = self.process_lhs(compiler, connection)
        marks = ", ".join(["%s"] * len(self.rhs))
        return f"{column} IN ({marks})", [*parameters, *self.rhs]
