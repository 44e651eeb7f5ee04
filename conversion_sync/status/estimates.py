"""How many rows there are: exactly while they are few, about where counting would take long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connections, models
from django.db.models import QuerySet

__all__ = ["EXACT", "Count", "about", "counts_up_to", "table_sizes", "up_to"]

#: So many rows are counted one by one.
EXACT = 10_000

# PostgreSQL scales its own estimate by the pages that were added since, as its planner does.
_SIZES = {
    "postgresql": """
        SELECT relname, reltuples / NULLIF(relpages, 0)
            * (pg_relation_size(oid) / current_setting('block_size')::int)
        FROM pg_class WHERE relkind = 'r' AND pg_table_is_visible(oid) AND relname = ANY(%s)
    """,
    "mysql": """
        SELECT table_name, table_rows FROM information_schema.tables
        WHERE table_schema = DATABASE() AND table_name IN %s
    """,
}


@dataclass(frozen=True)
class Count:
    """A number of rows. Where it is not exact, there are about or at least so many."""

    number: int
    is_exact: bool = True


def table_sizes(tables: Sequence[type[models.Model]], using: str) -> Mapping[type[Any], int | None]:
    """About how many rows each table has, from what the database knows anyway: one query.

    None for each where the database keeps no such statistics (SQLite).
    """
    connection = connections[using]
    if connection.vendor not in _SIZES:
        return dict.fromkeys(tables)
    names = [table._meta.db_table for table in tables]
    with connection.cursor() as cursor:
        cursor.execute(_SIZES[connection.vendor], [names])
        sizes = {name: int(size or 0) for name, size in cursor.fetchall()}
    return {table: sizes.get(table._meta.db_table, 0) for table in tables}


def up_to(most: int, rows: QuerySet[Any]) -> Count:
    """Count the rows, but no more than ``most``; then there are at least one more."""
    found = rows.order_by()[: most + 1].count()
    return Count(found, found <= most)


def counts_up_to(most: int, *several: QuerySet[Any]) -> Sequence[int]:
    """Count the rows of each, but no more than one more than ``most`` of it: one query for all."""
    parts, parameters, using = [], list[Any](), several[0].db
    for number, rows in enumerate(several):
        some = rows.order_by().values("pk")[: most + 1]
        sql, given = some.query.get_compiler(using).as_sql()
        parts.append(f"(SELECT COUNT(*) FROM ({sql}) counted_{number})")  # noqa: S608  # Django's
        parameters += given
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(parts)}", parameters)
        return [int(count) for count in cursor.fetchone()]


def about(rows: QuerySet[Any], estimate: int | None) -> Count:
    """Count the rows if they are few; else take the estimate, or count where there is none."""
    if estimate is None:
        return Count(rows.count())
    count = up_to(EXACT, rows)
    return count if count.is_exact else Count(max(count.number, estimate), is_exact=False)
