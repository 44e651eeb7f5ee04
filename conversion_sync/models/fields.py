"""Columns that behave alike on every database, and the clock of the database."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from django.db import connections, models
from django.db.models.functions import Now
from django.db.models.query_utils import DeferredAttribute
from django.utils import timezone
from django.utils.dateparse import parse_datetime

__all__ = ["AssignedField", "DbNow", "KeyField", "WebAddressField", "db_now"]


if TYPE_CHECKING:
    _CharField: TypeAlias = models.CharField[Any, Any]
    _URLField: TypeAlias = models.URLField[Any, Any]
else:
    _CharField, _URLField = models.CharField, models.URLField


class DbNow(Now):
    """The clock of the database, in UTC (MariaDB's own NOW is in the session's zone)."""

    def as_mysql(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        return self.as_sql(compiler, connection, template="UTC_TIMESTAMP(6)", **extra_context)


_NOW_SQL = {
    "postgresql": "SELECT clock_timestamp()",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    "sqlite": "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')",
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
    # Django writes a whole second without a fraction, and SQLite compares texts: "…:00" would
    # come before the "…:00.000" of its own clock.
    return cast("datetime.datetime", value.replace(microsecond=value.microsecond or 1))


class KeyField(_CharField):
    """Text compared byte by byte: MariaDB's default collation would merge accents and case."""

    def db_parameters(self, connection: Any) -> Any:
        parameters = super().db_parameters(connection)
        if connection.vendor == "mysql":
            parameters["collation"] = "utf8mb4_bin"
        return parameters


class _Assigned(DeferredAttribute):
    """Remembers on the instance that the column was assigned since it was loaded."""

    def __set__(self, instance: models.Model, value: Any) -> None:
        instance.__dict__[self.field.attname] = value
        instance.__dict__[f"_{self.field.attname}_assigned"] = True


class AssignedField(_CharField):
    """A text column that knows whether it was assigned since the instance was loaded."""

    descriptor_class = _Assigned


class WebAddressField(_URLField):
    """A web address; one that is entered without a scheme is https."""

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"assume_scheme": "https", **kwargs})
