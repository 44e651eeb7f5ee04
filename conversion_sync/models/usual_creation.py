"""The INSERT of a usual creation: one statement, which proves by its ``WHERE`` that it is one.

As with a usual save: where anything is known that a new row entails more than a push for, nothing
is written, and the row is created in a transaction with all that.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.db import connections
from django.db.models.sql import Query

from conversion_sync.models.clock import DbNow
from conversion_sync.models.erased import trace
from conversion_sync.models.usual_save import KEPT, Unusual

__all__ = ["insert_usually", "inserts_without_locks"]

#: What stands for the key in a statement that is built; its trace, for that of the key.
_KEY = "\ufffe"


def inserts_without_locks(connection: Any) -> bool:
    """Whether an INSERT locks nothing of the tables that it looks into, and gives what it wrote."""
    if not connection.features.can_return_columns_from_insert:
        return False
    if connection.vendor == "mysql":
        # At any other level MariaDB locks what it looks at, and the gaps between.
        return bool(connection.isolation_level == "read committed")
    return connection.vendor in ("postgresql", "sqlite")


def insert_usually(
    using: str, row: Any, fields: Sequence[Any], returning: Sequence[Any], priority: int, key: str
) -> list[Any]:
    """Insert a new row, if its key entails nothing.

    Args:
        returning: the fields whose values are asked for.
        priority: that of the row.

    Returns:
        One list of these values, as Django wants it.

    Raises:
        Unusual: it entails something; or a value is an expression.
    """
    connection = connections[using]
    values = [(field, field.pre_save(row, True)) for field in fields]
    now = tuple(field.column for field, value in values if isinstance(value, DbNow))
    given = [(field, value) for field, value in values if field.column not in now]
    if any(hasattr(value, "resolve_expression") for _, value in given):
        raise Unusual
    columns = tuple(field.column for field in fields)
    asked = tuple(field.column for field in returning)
    model: Any = type(row)
    sql, of_proof = _statement(using, model, columns, now, asked, priority)
    parameters = [field.get_db_prep_save(value, connection) for field, value in given]
    with connection.cursor() as cursor:
        keys = {_KEY: key, trace(_KEY): trace(key)}
        cursor.execute(sql, [*parameters, *(keys.get(each, each) for each in of_proof)])
        inserted = cursor.fetchone()
    if inserted is None:
        raise Unusual
    return [inserted]


@lru_cache(maxsize=KEPT)
def _statement(
    using: str,
    model: Any,
    columns: tuple[str, ...],
    now: tuple[str, ...],
    returning: tuple[str, ...],
    priority: int,
) -> tuple[str, Sequence[Any]]:
    """The statement, and the parameters after those of the columns.

    Args:
        now: the columns that hold the time of the database.
    """
    connection = connections[using]
    quote = connection.ops.quote_name
    time, _ = Query(model).get_compiler(using).compile(DbNow())
    proofs = [
        rows.values("pk").query.get_compiler(using).as_sql()
        for rows in model._entailing(using, priority, _KEY)
    ]
    # Names and expressions of our own; all values are parameters.
    table = quote(model._meta.db_table)
    names = ", ".join(map(quote, columns))
    values = ", ".join(time if column in now else "%s" for column in columns)
    nothing = " AND ".join(f"NOT EXISTS ({sql})" for sql, _ in proofs)
    # MariaDB knows no condition without a table.
    source = " FROM DUAL" if connection.vendor == "mysql" else ""
    where = f"{source} WHERE {nothing}" if nothing else ""
    result = ", ".join(map(quote, returning))
    return (
        f"INSERT INTO {table} ({names}) SELECT {values}{where} RETURNING {result}",  # see above
        [each for _, parameters in proofs for each in parameters],
    )
