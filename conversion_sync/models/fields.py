"""Columns that behave alike on every database, and the clock of the database."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connections, models
from django.db.models import Case, Q, When
from django.db.models.functions import Now
from django.db.models.query_utils import DeferredAttribute
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from conversion_sync.models.storable import StorableJSON, StorableText
from conversion_sync.models.validators import check_depth, validate_text, validate_time

__all__ = [
    "AssignedField",
    "DbNow",
    "InstantField",
    "KeyField",
    "LineField",
    "ObjectField",
    "SiteTimeField",
    "TextField",
    "WebAddressField",
    "believed",
    "db_now",
    "instant",
    "unindexed",
]


if TYPE_CHECKING:
    _CharField: TypeAlias = models.CharField[Any, Any]
    _DateTimeField: TypeAlias = models.DateTimeField[Any, Any]
    _LineField: TypeAlias = models.CharField[str, str]
    _JSONField: TypeAlias = models.JSONField[Any, Any]
    _TextField: TypeAlias = models.TextField[Any, Any]
    _URLField: TypeAlias = models.URLField[Any, Any]
else:
    _CharField, _LineField, _TextField = models.CharField, models.CharField, models.TextField
    _DateTimeField, _JSONField, _URLField = models.DateTimeField, models.JSONField, models.URLField


def instant(moment: datetime.datetime) -> datetime.datetime:
    """The instant in UTC; a naive time is one of the site's own zone (``TIME_ZONE``).

    Of an hour that occurs twice, ``fold`` says which; one that does not occur is as far from the
    hour before it. At the ends of time, where a zone has no room, the time is taken for UTC.
    """
    if timezone.is_naive(moment):
        moment = moment.replace(tzinfo=timezone.get_default_timezone())
    try:
        return moment.astimezone(datetime.UTC)
    except (OverflowError, ValueError):
        return moment.replace(tzinfo=datetime.UTC)


class _PlainDateTimeField(_DateTimeField):
    """For migrations, a date and time like any other."""

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.DateTimeField", args, kwargs


class InstantField(_PlainDateTimeField):
    """An instant by which the app works: aware, and in the database UTC, without ``USE_TZ`` too.

    So what is waited for neither comes again nor passes when a zone changes to or from summer
    time. Without ``USE_TZ``, what is read shows the site's time, at a fixed offset from UTC; a
    naive time that is given is one of the site's zone.
    """

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return value if value is None or settings.USE_TZ else instant(value)

    def get_default(self) -> Any:
        value = super().get_default()
        is_naive = isinstance(value, datetime.datetime) and timezone.is_naive(value)
        return self.to_python(value) if is_naive else value

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        value = super().pre_save(model_instance, add)
        if isinstance(value, datetime.datetime) and not settings.USE_TZ:
            value = self.to_python(value)
            setattr(model_instance, self.attname, value)
        return value

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if settings.USE_TZ:
            return super().get_db_prep_value(value, connection, prepared)
        value = value if prepared else self.get_prep_value(value)
        if isinstance(value, datetime.datetime) and not connection.features.supports_timezones:
            value = instant(value).replace(tzinfo=None)
        return connection.ops.adapt_datetimefield_value(value)

    def get_db_converters(self, connection: Any) -> list[Callable[..., Any]]:
        converters: list[Callable[..., Any]] = super().get_db_converters(connection)
        return converters if settings.USE_TZ else [*converters, self._read]

    @staticmethod
    def _read(value: Any, expression: Any, connection: Any) -> Any:
        if value is None:
            return None
        if timezone.is_naive(value) and not connection.features.supports_timezones:
            value = value.replace(tzinfo=datetime.UTC)
        value = instant(value)
        local = value.astimezone(timezone.get_default_timezone())
        return value.astimezone(datetime.timezone(local.utcoffset()))


class SiteTimeField(_PlainDateTimeField):
    """A time as the site keeps its times; one with an offset becomes one of the site's zone.

    Without ``USE_TZ``, it is naive. Of an hour that occurs twice, it is the first one on each
    database.
    """

    default_validators = [validate_time]  # noqa: RUF012  # as Django declares it

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        if value is None or settings.USE_TZ or timezone.is_naive(value):
            return value
        try:
            return timezone.make_naive(value, timezone.get_default_timezone())
        except OverflowError:
            # At the ends of time, which is refused in words.
            return value.replace(tzinfo=None)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        value = super().get_db_prep_value(value, connection, prepared)
        # PostgreSQL would take the second one.
        is_naive = isinstance(value, datetime.datetime) and timezone.is_naive(value)
        return instant(value) if is_naive and connection.features.supports_timezones else value


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


def unindexed(condition: Q) -> Case:
    """The condition as one that no index answers.

    Rows that are found by their keys are few, and a planner whose statistics are old would take
    those that are due, or not, for fewer still, and read all of them.
    """
    return Case(When(condition, then=True), default=False, output_field=models.BooleanField())


class KeyField(StorableText, _CharField):
    """Text compared byte by byte: MariaDB's default collation would merge accents and case."""

    default_validators = [validate_text]  # noqa: RUF012  # as Django declares it

    def db_parameters(self, connection: Any) -> Any:
        parameters = super().db_parameters(connection)
        if connection.vendor == "mysql":
            # Not as a "collation": Django forgets that when a column becomes NULL, or no longer is.
            parameters["type"] = f"{parameters['type']} COLLATE utf8mb4_bin"
        return parameters


class _Assigned(DeferredAttribute):
    """Remembers on the instance that the column was assigned since it was loaded."""

    field: AssignedField

    def __set__(self, instance: models.Model, value: Any) -> None:
        instance.__dict__[self.field.attname] = self.field.normal(value)
        instance.__dict__[f"_{self.field.attname}_assigned"] = True


class LineField(StorableText, _LineField):
    """A line of text that people enter; for migrations, one like any other."""

    default_validators = [validate_text]  # noqa: RUF012  # as Django declares it

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs


class TextField(StorableText, _TextField):
    """A text that people enter; for migrations, one like any other."""

    default_validators = [validate_text]  # noqa: RUF012  # as Django declares it

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.TextField", args, kwargs


class ObjectField(StorableJSON, _JSONField):
    """Names and values that people enter; for migrations, JSON like any other."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"encoder": DjangoJSONEncoder, **kwargs})

    def validate(self, value: Any, model_instance: Any) -> None:
        # Django writes it out to see whether it is JSON, and fails where it is nested too deep.
        check_depth(value)
        super().validate(value, model_instance)

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs


class AssignedField(StorableText, _CharField):
    """A choice that knows whether it was assigned since the instance was loaded.

    A choice is itself in any case, and with white space around it: a site may write "unsubscribed".
    """

    descriptor_class = _Assigned

    def normal(self, value: Any) -> Any:
        """The choice that is meant, or the value as it is."""
        word = value.strip().upper() if isinstance(value, str) else value
        return word if word in {choice for choice, _ in self.flatchoices} else value

    def get_prep_value(self, value: Any) -> Any:
        return self.normal(super().get_prep_value(value))


class WebAddressField(StorableText, _URLField):
    """A web address; one that is entered without a scheme is https."""

    default_validators = [*_URLField.default_validators, validate_text]  # noqa: RUF012  # as Django declares it

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"assume_scheme": "https", **kwargs})
