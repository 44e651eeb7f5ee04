"""Text that every database keeps, and compares, alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from django.db import models

from conversion_sync.models.fields.storable import StorableText
from conversion_sync.models.validators import validate_text

__all__ = ["KeyField", "LineField", "TextField", "WebAddressField"]

if TYPE_CHECKING:
    _CharField: TypeAlias = models.CharField[Any, Any]
    _LineField: TypeAlias = models.CharField[str, str]
    _TextField: TypeAlias = models.TextField[Any, Any]
    _URLField: TypeAlias = models.URLField[Any, Any]
else:
    _CharField, _LineField, _TextField = models.CharField, models.CharField, models.TextField
    _URLField = models.URLField


class KeyField(StorableText, _CharField):
    """Text compared byte by byte: MariaDB's default collation would merge accents and case."""

    default_validators = [validate_text]  # noqa: RUF012  # as Django declares it

    def db_parameters(self, connection: Any) -> Any:
        parameters = super().db_parameters(connection)
        if connection.vendor == "mysql":
            # Not as a "collation": Django forgets that when a column becomes NULL, or no longer is.
            parameters["type"] = f"{parameters['type']} COLLATE utf8mb4_bin"
        return parameters


class LineField(StorableText, _LineField):
    """A line of text that people enter; for migrations, one like any other."""

    default_validators = [validate_text]  # noqa: RUF012  # as Django declares it

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs


class TextField(StorableText, _TextField):
    """A text that people enter; for migrations, one like any other."""

    PLAIN = _TextField()
    default_validators = [validate_text]  # noqa: RUF012  # as Django declares it

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.TextField", args, kwargs


class WebAddressField(StorableText, _URLField):
    """A web address; one that is entered without a scheme is https."""

    default_validators = [*_URLField.default_validators, validate_text]  # noqa: RUF012  # as Django declares it

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"assume_scheme": "https", **kwargs})
