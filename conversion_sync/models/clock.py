"""The clock of the database: what rules go by, whatever the clocks of the machines say."""

from __future__ import annotations

import datetime
from typing import Any, cast

from django.db import connections
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from conversion_sync.models.fields.times import InstantField

__all__ = ["DbNow", "believed", "db_now"]


class DbNow(Now):
    """The clock of the database, in UTC (MariaDB's own NOW is in the session's zone)."""

    output_field = InstantField()

    def as_mysql(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        return self.as_sql(compiler, connection, template="UTC_TIMESTAMP(6)", **extra_context)

    def as_sqlite(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        # As in ``db_now``.
        template = "STRFTIME('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%f001', 'NOW')"
        return self.as_sql(compiler, connection, template=template, **extra_context)


_NOW_SQL = {
    "postgresql": "SELECT clock_timestamp() AT TIME ZONE 'UTC'",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    # SQLite compares texts: of one millisecond, all have the same six digits, and none is a whole
    # second, which Django writes without a fraction.
    "sqlite": "SELECT strftime('%Y-%m-%d %H:%M:%f001', 'now')",
}


def db_now(using: str) -> datetime.datetime:
    """What time it is for the database ``using``: an aware datetime."""
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute(_NOW_SQL.get(connection.vendor, "SELECT CURRENT_TIMESTAMP"))
        value = cursor.fetchone()[0]
    if isinstance(value, str):
        value = parse_datetime(value)
    if timezone.is_naive(value):
        value = value.replace(tzinfo=datetime.UTC)
    return cast("datetime.datetime", value)


def believed(
    when: datetime.datetime | None, now: datetime.datetime, longest: float
) -> datetime.datetime | None:
    """The end of a wait that can be ``longest`` seconds; None where it lies further ahead.

    Then the clock was set back since, and the wait is over.
    """
    if when is None or (when - now).total_seconds() > longest:
        return None
    return when
