"""Times: the instants by which the app works, and the times as the site keeps them."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from django.conf import settings
from django.db import models
from django.utils import timezone

from conversion_sync.models.validators import validate_time

__all__ = ["InstantField", "SiteTimeField", "instant"]

if TYPE_CHECKING:
    _DateTimeField: TypeAlias = models.DateTimeField[Any, Any]
else:
    _DateTimeField = models.DateTimeField


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
        if value is None:
            return None  # As nearly all of them are, and in each database.
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

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        """As Django's.

        Raises:
            ValidationError: not every zone has the time. What is kept so can't be shown, and on
                PostgreSQL not even be read.
        """
        if isinstance(value, str | datetime.date):
            value = self.to_python(value)
            validate_time(value)
        return super().get_db_prep_save(value, connection)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        value = super().get_db_prep_value(value, connection, prepared)
        # PostgreSQL would take the second one.
        is_naive = isinstance(value, datetime.datetime) and timezone.is_naive(value)
        return instant(value) if is_naive and connection.features.supports_timezones else value
