"""Rows that were given what can't be stored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from conversion_sync.models.fields.storable import StorableJSON, StorableText
from conversion_sync.models.messages import Message, stored
from conversion_sync.models.storable import REPLACEMENT, is_plainly_storable

__all__ = ["Unstorable", "replaced_fields", "unstorable_fields", "what_was_replaced"]


class Unstorable(Exception):
    """The row has U+FFFD where it was given what can't be stored."""


def unstorable_fields(model: Any, values: Mapping[str, Any]) -> list[str]:
    """Which fields that are sent were given what can't be stored, by their names.

    Args:
        values: by column; of others nothing is said.
    """
    return [
        field.name
        for field in _sent_fields(model)
        if field.name in values
        and not is_plainly_storable(values[field.name])
        and not field.is_storable(values[field.name])
    ]


def replaced_fields(row: Any) -> list[str]:
    """The fields of a row that are sent and have U+FFFD in them, by their names."""
    model: Any = type(row)
    return [
        field.name
        for field in _sent_fields(model)
        if REPLACEMENT in json.dumps(getattr(row, field.attname), ensure_ascii=False)
    ]


def what_was_replaced(model: Any, names: Iterable[str]) -> str:
    """The message of a row whose fields have U+FFFD for what they were given."""
    return stored(Message.REPLACED, kind=model._meta.model_name, fields=[*names])


@cache
def _sent_fields(model: Any) -> list[Any]:
    return [
        field
        for field in model._meta.concrete_fields
        if isinstance(field, StorableText | StorableJSON)
        and field.attname not in model.QUIET  # type: ignore[union-attr]  # a field, too
        and field.attname not in model.STATE  # type: ignore[union-attr]  # a field, too
    ]
