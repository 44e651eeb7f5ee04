"""A column's values, row by row, in one UPDATE."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any

from django.db import NotSupportedError
from django.db.models import Case, Expression, F, Field, QuerySet, When

from conversion_sync.models.among import among

__all__ = ["update_by_row"]


def update_by_row(
    rows: QuerySet[Any],
    pks: Collection[int],
    shared: Mapping[str, Any],
    own: Mapping[str, Mapping[int, Any]],
) -> int:
    """Write columns of rows in one UPDATE: the same for all of them, and for each its own.

    Args:
        rows: of a table whose updates need no further rules.
        pks: the primary keys of the rows; of none there is no statement.
        shared: assignments of all of them, as ``update`` takes them.
        own: values by column and primary key. A row that has none for a column keeps what is there.

    Returns:
        The number of rows that were found.
    """
    if not pks:
        return 0
    columns = dict(shared)
    for name, values in own.items():
        if here := {pk: value for pk, value in values.items() if pk in pks}:
            columns[name] = _assigned(rows.model._meta.get_field(name), here, len(pks))
    return rows.filter(among(pks)).update(**columns)


def _assigned(column: Any, values: Mapping[int, Any], count: int) -> Any:
    """The assignment of the column, in an UPDATE of so many rows."""
    chosen = _ByRow(column, values)
    if len(values) == count:
        return chosen
    return Case(When(pk__in=[*values], then=chosen), default=F(column.name), output_field=column)


class _ByRow(Expression):
    """The value that a row has in a list, found by its primary key.

    Django takes as long to build a ``Case`` with a ``When`` for each row as for all the rest of a
    drain. Here the values go to the database as they are: in an array, in one function, or as the
    parameters of one expression.
    """

    def __init__(self, column: Field[Any, Any], values: Mapping[int, Any]) -> None:
        super().__init__(output_field=column)
        self.column, self.values, self.key = column, values, F("pk")

    def get_source_expressions(self) -> list[Any]:
        return [self.key]

    def set_source_expressions(self, exprs: Sequence[Any]) -> None:
        [self.key] = exprs

    def as_sql(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        raise NotSupportedError(f"Values by row are not known on {connection.vendor}.")

    def as_postgresql(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        key, key_params = compiler.compile(self.key)
        # Without its length: a cast would cut off what the column refuses.
        db_type = str(self.column.db_type(connection)).partition("(")[0]
        sql = f"(%s::{db_type}[])[array_position(%s::bigint[], {key})]"
        return sql, [self._prepared(connection), [*self.values], *key_params]

    def as_sqlite(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        # A list in a subquery would be read anew for each row.
        key, key_params = compiler.compile(self.key)
        sql = f"CASE {key} {' '.join(['WHEN %s THEN %s'] * len(self.values))} END"
        values = zip(self.values, self._prepared(connection), strict=True)
        return sql, [*key_params, *chain.from_iterable(values)]

    def as_mysql(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        key, key_params = compiler.compile(self.key)
        marks = ", ".join(["%s"] * len(self.values))
        sql = f"ELT(FIELD({key}, {marks}), {marks})"
        return sql, [*key_params, *self.values, *self._prepared(connection)]

    def _prepared(self, connection: Any) -> list[Any]:
        save = self.column.get_db_prep_save
        return [save(value, connection) for value in self.values.values()]
