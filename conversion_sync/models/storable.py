"""What every database can keep, and JSON has a word for; what stands in place of the rest.

A site's save does not fail for a NUL in a text: U+FFFD is written in its place, and the row says
so.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from functools import cache
from types import NoneType
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.utils.functional import Promise

from conversion_sync.models.messages import Message, stored

__all__ = [
    "REPLACEMENT",
    "StorableJSON",
    "StorableText",
    "Unstorable",
    "replaced_fields",
    "storable_json",
    "storable_text",
    "unstorable_fields",
    "what_was_replaced",
]

#: What is written in place of it.
REPLACEMENT = "\ufffd"

#: Objects and lists in each other: MariaDB keeps no more.
LEVELS = 31

_NO_CHARACTER = re.compile(
    "\0|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]"
)
_HALF = re.compile("[\ud800-\udfff]")

_ENCODER = DjangoJSONEncoder()


class Unstorable(Exception):
    """The row has U+FFFD where it was given what can't be stored."""


def storable_text(text: str) -> str:
    """The text with U+FFFD in place of each NUL and each half of a character."""
    if _is_plain(text):
        return text
    text = _NO_CHARACTER.sub(REPLACEMENT, text)
    if _HALF.search(text):
        # Two halves, one after the other, are a character.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16")
    return text


def _is_plain(text: str) -> bool:
    """Whether it is one of nearly all texts, seen without reading it character by character."""
    return text.isascii() and "\0" not in text


def storable_json(value: Any) -> Any:
    """The value as JSON has it, in the words of Django's encoder.

    U+FFFD stands in place of NaN, infinity, and what is nested too deep; in texts as above.

    Raises:
        TypeError: Django's encoder does not take it.
        ValueError: as it does, where the encoder takes not all of its kind; it holds itself.
    """
    return value if _is_plain_json(value) else _plain(value, (), [])


def _is_plain_json(value: Any) -> bool:
    """Whether it is what most variables are: names with a text, a number, or nothing."""
    return type(value) is dict and all(
        type(name) is str and _is_plain(name) and _is_plain_value(each)
        for name, each in value.items()
    )


def _is_plain_value(value: Any) -> bool:
    kind = type(value)
    return _is_plain(value) if kind is str else kind in (int, bool, NoneType)


def _plain(value: Any, above: tuple[int, ...], replaced: list[object]) -> Any:
    if isinstance(value, str):
        return _text(value, replaced)
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _replaced(value, replaced)
    if not isinstance(value, dict | list | tuple):
        return _plain(_ENCODER.default(value), above, replaced)
    if id(value) in above:
        raise ValueError("The value holds itself.")
    if len(above) == LEVELS:
        return _replaced(value, replaced)
    above = (*above, id(value))
    if isinstance(value, dict):
        return {
            _name(name, replaced): _plain(each, above, replaced) for name, each in value.items()
        }
    return [_plain(each, above, replaced) for each in value]


def _name(name: Any, replaced: list[object]) -> Any:
    name = _ENCODER.default(name) if isinstance(name, Promise) else name
    return _text(name, replaced) if isinstance(name, str) else name


def _text(text: str, replaced: list[object]) -> str:
    if _is_plain(text):
        return text
    if _NO_CHARACTER.search(text):
        replaced.append(text)
    return storable_text(text)


def _replaced(value: object, replaced: list[object]) -> str:
    replaced.append(value)
    return REPLACEMENT


class StorableText:
    """A column of text, of any kind, that takes every text."""

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)  # type: ignore[misc]  # a field's
        return storable_text(value) if isinstance(value, str) else value

    def is_storable(self, value: Any) -> bool:
        if not isinstance(value, str | Promise):
            return True
        text = str(value)
        return _is_plain(text) or not _NO_CHARACTER.search(text)


class StorableJSON:
    """A column of JSON that takes whatever Django's encoder takes."""

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if not hasattr(value, "as_sql"):
            value = storable_json(value)
        return super().get_db_prep_value(value, connection, prepared)  # type: ignore[misc]  # a field's

    def is_storable(self, value: Any) -> bool:
        replaced = list[object]()
        if not _is_plain_json(value) and not hasattr(value, "as_sql"):
            _plain(value, (), replaced)
        return not replaced


# Of rows


def unstorable_fields(model: Any, values: Mapping[str, Any]) -> list[str]:
    """Which fields that are sent were given what can't be stored, by their names.

    Args:
        values: by column; of others nothing is said.
    """
    return [
        field.name
        for field in _sent_fields(model)
        if field.name in values
        and not _is_plainly_storable(values[field.name])
        and not field.is_storable(values[field.name])
    ]


def _is_plainly_storable(value: Any) -> bool:
    return _is_plain(value) if type(value) is str else _is_plain_json(value)


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
