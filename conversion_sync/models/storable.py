"""What every database can keep, and JSON has a word for; what stands in place of the rest.

A site's save does not fail for a NUL in a text: U+FFFD is written in its place, and the row says
so.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator
from contextvars import ContextVar
from types import NoneType
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.utils.functional import Promise

__all__ = [
    "REPLACEMENT",
    "is_plainly_storable",
    "is_storable_json",
    "is_storable_text",
    "replacements",
    "storable_json",
    "storable_text",
]

#: What is written in place of it.
REPLACEMENT = "\ufffd"

#: Objects and lists in each other: MariaDB keeps no more.
LEVELS = 31

#: Python writes and reads no whole number of more than 4,300 digits.
_TOO_LARGE = 10**4000

_NO_CHARACTER = re.compile(
    "\0|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]"
)

_HALF = re.compile("[\ud800-\udfff]")

#: What a text has that has to be looked at character by character.
_ODD = re.compile("[\0\ud800-\udfff]")

_ENCODER = DjangoJSONEncoder()

#: What has been replaced, where somebody wants to know.
_noted: ContextVar[list[object] | None] = ContextVar("noted", default=None)


@contextlib.contextmanager
def replacements() -> Iterator[list[object]]:
    """What the functions of this module replace meanwhile: nearly always nothing."""
    found = list[object]()
    token = _noted.set(found)
    try:
        yield found
    finally:
        _noted.reset(token)


def storable_text(text: str) -> str:
    """The text with U+FFFD in place of each NUL and each half of a character."""
    if _is_plain(text):
        return text
    if _NO_CHARACTER.search(text):
        _note(text)
        text = _NO_CHARACTER.sub(REPLACEMENT, text)
    if _HALF.search(text):
        # Two halves, one after the other, are a character.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16")
    return text


def storable_json(value: Any) -> Any:
    """The value as JSON has it, in the words of Django's encoder.

    U+FFFD stands in place of NaN, infinity, a number of too many digits, and what is nested too
    deep; in texts as above.

    Raises:
        TypeError: Django's encoder does not take it.
        ValueError: as it does, where the encoder takes not all of its kind; it holds itself.
    """
    if _is_plain_json(value):
        return value
    replaced = list[object]()
    value = _plain(value, (), replaced)
    _note(*replaced)
    return value


def is_storable_text(text: str) -> bool:
    """Whether `storable_text` leaves the text as it is."""
    return _is_plain(text) or not _NO_CHARACTER.search(text)


def is_storable_json(value: Any) -> bool:
    """Whether `storable_json` replaces nothing in the value; it raises what that does."""
    replaced = list[object]()
    if not _is_plain_json(value):
        _plain(value, (), replaced)
    return not replaced


def is_plainly_storable(value: Any) -> bool:
    """Whether it is one of nearly all values, seen without a closer look."""
    return _is_plain(value) if type(value) is str else _is_plain_json(value)


def _is_plain(text: str) -> bool:
    """Whether it is one of nearly all texts: it is stored as it is."""
    return "\0" not in text if text.isascii() else _ODD.search(text) is None


def _is_plain_json(value: Any) -> bool:
    """Whether it is what most variables are: names with a text, a number, or nothing."""
    return type(value) is dict and all(
        type(name) is str and _is_plain(name) and _is_plain_value(each)
        for name, each in value.items()
    )


def _is_plain_value(value: Any) -> bool:
    kind = type(value)
    if kind is str:
        return _is_plain(value)
    if kind is float:
        return math.isfinite(value)
    return kind in (bool, NoneType) or (kind is int and _can_be_written(value))


def _can_be_written(number: int) -> bool:
    return -_TOO_LARGE < number < _TOO_LARGE


def _plain(value: Any, above: tuple[int, ...], replaced: list[object]) -> Any:
    if isinstance(value, str):
        return _text(value, replaced)
    if value is None:
        return value
    if isinstance(value, int):
        return value if _can_be_written(value) else _replaced(value, replaced)
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


def _note(*replaced: object) -> None:
    if (noted := _noted.get()) is not None:
        noted += replaced


def _replaced(value: object, replaced: list[object]) -> str:
    replaced.append(value)
    return REPLACEMENT
