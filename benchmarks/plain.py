"""A plain model with the columns and indexes of a contact, for what is compared with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from django.db import connection, models

from conversion_sync.models import Contact

__all__ = ["plain_contact"]


@contextmanager
def plain_contact() -> Iterator[Any]:
    """The model, and its table for as long as it is needed."""
    model = _plain_model()
    with connection.schema_editor() as editor:
        editor.create_model(model)
    try:
        yield model
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(model)


@cache
def _plain_model() -> Any:
    columns = {field.name: _plain_field(field) for field in Contact._meta.concrete_fields}
    indexes = [
        models.Index(
            fields=[name.replace("company", "company_id") for name in index.fields],
            name=index.name.replace("conversion", "plain"),
            opclasses=index.opclasses,
        )
        for index in Contact._meta.indexes
    ]
    meta = type("Meta", (), {"app_label": "plain", "indexes": indexes})
    return type("Plain", (models.Model,), {"__module__": __name__, "Meta": meta, **columns})


def _plain_field(field: Any) -> Any:
    """A field of Django's own, for a column like this one."""
    if field.primary_key:
        return models.BigAutoField(primary_key=True)
    options = {"null": field.null, "unique": field.unique, "db_index": field.db_index}
    if field.has_default():
        options["default"] = field.default
    if field.is_relation:
        return models.BigIntegerField(**options | {"db_column": field.column})
    for kind in (
        models.JSONField,
        models.UUIDField,
        models.PositiveSmallIntegerField,
        models.PositiveBigIntegerField,
        models.PositiveIntegerField,
        models.TextField,
    ):
        if isinstance(field, kind):
            return kind(**options)
    if isinstance(field, models.DateTimeField):
        return models.DateTimeField(
            **options, auto_now=field.auto_now, auto_now_add=field.auto_now_add
        )
    return models.CharField(**options, max_length=field.max_length)
