"""Which rows a person chose, in JSON: conditions that a worker builds again later."""

from __future__ import annotations

import datetime
from typing import Any

from django.db.models import Q

__all__ = ["Unsayable", "pack", "unpack"]

#: ``[lookup, value]``, or one of ``{"and": […]}``, ``{"or": […]}``, ``{"not": …}``.
Node = Any

_CONNECTORS = {Q.AND: "and", Q.OR: "or"}


class Unsayable(Exception):
    """JSON can't hold the condition: an expression, or a value of an odd type."""


def pack(condition: Q) -> Node:
    """The condition as JSON.

    Raises:
        Unsayable: it is more than lookups of plain values.
    """
    if condition.connector not in _CONNECTORS:
        raise Unsayable(condition)
    node = {_CONNECTORS[condition.connector]: [_child(child) for child in condition.children]}
    return {"not": node} if condition.negated else node


def unpack(node: Node) -> Q:
    """The condition that was packed. Django checks its lookups when it is used."""
    if isinstance(node, list):
        lookup, value = node
        return Q((lookup, value))
    ((word, content),) = node.items()
    if word == "not":
        return ~unpack(content)
    connector = next(name for name, short in _CONNECTORS.items() if short == word)
    return Q(*map(unpack, content), _connector=connector)


def _child(child: Any) -> Node:
    if isinstance(child, Q):
        return pack(child)
    if isinstance(child, tuple):
        lookup, value = child
        return [lookup, _value(value)]
    raise Unsayable(child)


def _value(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, list | tuple | set | frozenset):
        return [_value(each) for each in value]
    raise Unsayable(value)
