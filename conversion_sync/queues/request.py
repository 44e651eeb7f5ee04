"""The request for a drain: one row of the database, and one statement to ask with."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db import connections
from django.db.models import Q
from django.db.models.sql import UpdateQuery

from conversion_sync.models.clock import DbNow
from conversion_sync.models.wakeup import Wakeup

__all__ = ["ask"]

#: For so long a request for a drain stands; then it is taken for lost.
EXPIRES = datetime.timedelta(seconds=60)

#: What MariaDB gives as ``LAST_INSERT_ID`` where the request stands, and where it was made.
_STANDS, _ASKED = 1, 2


def ask(using: str) -> bool:
    """Ask for a drain, unless one was asked for that has not begun. Returns whether it did."""
    connection = connections[using]
    sql, parameters = _statement(using, connection.vendor)
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        if connection.vendor == "postgresql":
            asked, is_there = cursor.fetchone()
        elif connection.vendor == "mysql":
            asked, is_there = cursor.lastrowid == _ASKED, cursor.rowcount
        else:
            asked, is_there = cursor.rowcount, True
    if is_there:
        return bool(asked)
    Wakeup.load(using)
    return ask(using)


@cache
def _statement(using: str, vendor: str) -> tuple[str, Sequence[Any]]:
    """The statement, which Django takes longer to build than it runs.

    The row may be missing. On SQLite the statement makes it; the others tell.
    """
    query = UpdateQuery(Wakeup)
    query.add_update_values({"requested_until": DbNow() + EXPIRES})
    # One that stands for longer than any can is of a clock that was set back.
    over = Q(requested_until__lt=DbNow()) | Q(requested_until__gt=DbNow() + EXPIRES)
    query.add_q(Q(pk=1) & (Q(requested_until=None) | over))
    update, parameters = query.get_compiler(using).as_sql()
    table = connections[using].ops.quote_name(Wakeup._meta.db_table)
    assignment, _, condition = update.partition(" SET ")[2].partition(" WHERE ")
    column, _, until = assignment.partition(" = ")
    count = until.count("%s")
    of_until, of_condition = parameters[:count], parameters[count:]
    # Names and expressions of our own; all values are parameters.
    if vendor == "postgresql":
        is_there = f"EXISTS (SELECT 1 FROM {table} WHERE id = 1)"  # noqa: S608  # see above
        asked = f"WITH asked AS ({update} RETURNING 1) SELECT (SELECT COUNT(*) FROM asked)"  # noqa: S608  # see above
        return f"{asked}, {is_there}", parameters
    if vendor == "sqlite":
        insert = f"INSERT INTO {table} (id, requested_until) VALUES (1, {until})"  # noqa: S608  # see above
        conflict = f"ON CONFLICT (id) DO UPDATE SET {assignment} WHERE {condition}"
        return f"{insert} {conflict}", (*of_until, *parameters)
    # It finds the row wherever that is there, and gives back a number: whether it has changed it.
    found = f"id = 1 AND LAST_INSERT_ID(({condition}) + {_STANDS})"
    return (
        f"UPDATE {table} SET {column} = IF({condition}, {until}, {column}) WHERE {found}",  # noqa: S608  # see above
        (*of_condition, *of_until, *of_condition),
    )
