"""Columns that take every text and every value that Django's encoder takes."""

from __future__ import annotations

from typing import Any

from django.utils.functional import Promise

from conversion_sync.models.fields.plain import PlainText
from conversion_sync.models.storable import (
    is_storable_json,
    is_storable_text,
    storable_json,
    storable_text,
)

__all__ = ["StorableJSON", "StorableText"]


class StorableText(PlainText):
    """A column of text, of any kind, that takes every text."""

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)  # type: ignore[misc]  # a field's
        return storable_text(value) if isinstance(value, str) else value

    def is_storable(self, value: Any) -> bool:
        return not isinstance(value, str | Promise) or is_storable_text(str(value))


class StorableJSON:
    """A column of JSON that takes whatever Django's encoder takes."""

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if not hasattr(value, "as_sql"):
            value = storable_json(value)
        return super().get_db_prep_value(value, connection, prepared)  # type: ignore[misc]  # a field's

    def is_storable(self, value: Any) -> bool:
        return hasattr(value, "as_sql") or is_storable_json(value)
