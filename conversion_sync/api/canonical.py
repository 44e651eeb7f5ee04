"""One text for each JSON value: two values are the same where they would be the same on the wire.

Python takes ``1``, ``1.0`` and ``True`` for equal, and ``0.0`` and ``-0.0``; JSON does not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["canonical", "same"]

#: Two of one of these types are the same where Python says so.
_PLAIN = frozenset({str, int, bool, type(None)})


def canonical(value: Any) -> str:
    """The JSON text of a value, with the names of each object in order.

    It raises for nothing that a row can hold, however deep or large. What JSON has no form for is
    written as the text of it, as Django's encoder does with a decimal number.
    """
    parts: list[str] = []
    # What is still to be written, the next one last: a text as it is, or a value in a list of one.
    left: list[str | list[Any]] = [[value]]
    while left:
        item = left.pop()
        if isinstance(item, str):
            parts.append(item)
            continue
        [found] = item
        if isinstance(found, Mapping):
            pairs = sorted(((_name(name), each) for name, each in found.items()), key=_first)
            left.append("}")
            for index in range(len(pairs) - 1, -1, -1):
                name, each = pairs[index]
                left += ([each], f"{', ' if index else ''}{json.dumps(name)}: ")
            left.append("{")
        elif isinstance(found, list | tuple):
            left.append("]")
            for index in range(len(found) - 1, -1, -1):
                left += ([found[index]], ", " if index else "")
            left.append("[")
        else:
            parts.append(_scalar(found))
    return "".join(parts)


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same on the wire."""
    return _is_plainly_same(one, other) or canonical(one) == canonical(other)


def _is_plainly_same(one: Any, other: Any) -> bool:
    """Whether two values are objects of names and plain values, and the same: as most are."""
    if type(one) is not dict or type(other) is not dict or len(one) != len(other):
        return False
    return all(
        type(name) is str
        and type(value) in _PLAIN
        and type(there := other.get(name)) is type(value)
        and there == value
        and (value is not None or name in other)
        for name, value in one.items()
    )


def _first(pair: tuple[str, Any]) -> str:
    return pair[0]


def _name(name: Any) -> str:
    """The name of a member, as JSON writes it."""
    return name if isinstance(name, str) else _scalar(name)


def _scalar(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 10_000:
        # Python refuses to write so long a number in decimal digits.
        return hex(value)
    if value is None or isinstance(value, str | int | float):
        return json.dumps(value)
    return json.dumps(str(value))
