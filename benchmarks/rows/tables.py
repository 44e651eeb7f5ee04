"""The tables that the rows are in: written as fast as the database takes them, and emptied."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.core.management.color import no_style
from django.db import connection

from conversion_sync.models import (
    ApiCall,
    Company,
    Contact,
    Deletion,
    Engagement,
    SubscriptionChange,
)

__all__ = ["analyse", "empty", "insert", "settle_in"]

MODELS = (Company, Contact, SubscriptionChange, Engagement, Deletion, ApiCall)

BATCH = 5000


def empty() -> None:
    """Remove all rows."""
    tables = [model._meta.db_table for model in MODELS]
    flush = connection.ops.sql_flush(no_style(), tables, reset_sequences=True, allow_cascade=True)
    connection.ops.execute_sql_flush(flush)


def settle_in() -> None:
    """Bring the sequences and the statistics up to the rows."""
    with connection.cursor() as cursor:
        for sql in connection.ops.sequence_reset_sql(no_style(), MODELS):
            cursor.execute(sql)
    analyse()


def insert(model: type[Any], rows: Iterator[dict[str, Any]]) -> None:
    """Write rows as fast as the database takes them; all name the same columns."""
    while batch := list(islice(rows, BATCH)):
        quoted, names = connection.ops.quote_name, list(batch[0])
        table = quoted(model._meta.db_table)
        values = ([_stored(row[name]) for name in names] for row in batch)
        columns = ", ".join(map(quoted, names))
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                    for row in values:
                        copy.write_row(row)
            else:
                marks = ", ".join(["%s"] * len(names))
                sql = f"INSERT INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608  # our own names
                cursor.executemany(sql, list(values))


def _stored(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return connection.ops.adapt_datetimefield_value(value)
    return value


def analyse() -> None:
    """What the database does by itself after a while."""
    words = {"postgresql": "VACUUM (ANALYZE)", "mysql": "ANALYZE TABLE", "sqlite": "ANALYZE"}
    tables = [model._meta.db_table for model in MODELS]
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"{words[connection.vendor]} {table}")
