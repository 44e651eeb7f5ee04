"""The UPDATE of a usual save: one statement, which proves by its ``WHERE`` that the save is one.

A save is usual where it entails nothing but a push. Whether it is, the row may have said when it
was loaded, and no longer: so the statement asks the row itself. Where it matches nothing, nothing
is written, and the save is made under the row's lock.

Django takes longer to build a statement than a database to run it: each is built once a process.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.db import connections
from django.db.models.sql import UpdateQuery

from conversion_sync.models.marking import marking

__all__ = ["KEPT", "Unusual", "update_usually"]

#: Statements that are kept: one for each set of columns that a site writes together.
KEPT = 512


class Unusual(Exception):
    """The save entails more than a push, or the row is not there: nothing was written."""


def update_usually(
    using: str,
    model: Any,
    pk: Any,
    values: Sequence[Any],
    priority: int,
    proof: Sequence[tuple[Any, Any]],
) -> None:
    """Write these columns of a row and make it due, with one statement.

    Args:
        values: fields, each with None and its value, as Django passes them on.
        priority: that with which the row becomes due.
        proof: fields, and the values that the row has to have in them, byte by byte, besides what
            its model asks of it.

    Raises:
        Unusual: the row is not so, or not there; or a value is an expression.
    """
    if any(hasattr(value, "resolve_expression") for _, _, value in values):
        raise Unusual
    connection = connections[using]
    columns = tuple(field.column for field, _, _ in values)
    proven = tuple(field.column for field, _ in proof)
    sql, marks = _statement(using, model, columns, priority, proven)
    written = [field.get_db_prep_save(value, connection) for field, _, value in values]
    expected = [
        field.get_db_prep_value(value, connection)
        for field, value in ((model._meta.pk, pk), *proof)
    ]
    with connection.cursor() as cursor:
        cursor.execute(sql, [*written, *marks, *expected])
        if not cursor.rowcount:
            raise Unusual


@lru_cache(maxsize=KEPT)
def _statement(
    using: str, model: Any, columns: tuple[str, ...], priority: int, proven: tuple[str, ...]
) -> tuple[str, Sequence[Any]]:
    """The statement, and the parameters between those of the columns and those of the proof."""
    connection = connections[using]
    quote = connection.ops.quote_name
    query = UpdateQuery(model)
    query.add_update_fields(
        [(model._meta.get_field(name), None, mark) for name, mark in marking(priority).items()]
    )
    query.add_q(model._usual(using, priority))
    marks, parameters = query.get_compiler(using).as_sql()
    head, _, tail = marks.partition(" SET ")
    assigned = "".join(f"{quote(column)} = %s, " for column in columns)
    proof = [f"{quote(model._meta.pk.column)} = %s"]
    proof += [_equals(quote(column), connection.vendor) for column in proven]
    joint = " AND " if query.where else " WHERE "
    return f"{head} SET {assigned}{tail}{joint}{' AND '.join(proof)}", parameters


def _equals(column: str, vendor: str) -> str:
    if vendor == "mysql":
        # Whatever its collation: white space at the end counts, too.
        return f"CAST({column} AS BINARY) = CAST(%s AS BINARY)"
    return f"{column} = %s"
