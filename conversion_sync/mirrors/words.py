"""Conditions and functions of a mirror as people read them."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Sequence
from typing import Any

from django.db.models import Q

from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.expressions import conditions

__all__ = ["condition_words", "fingerprint"]


def condition_words(declared: Declared) -> Sequence[str]:
    """The conditions of a mirror, part by part."""
    include = declared.include
    if not isinstance(include, Q):
        return [f"{getattr(include, '__name__', 'include')}()"]
    return [_in_words(each) for each in conditions(include)]


def _in_words(condition: Q) -> str:
    [only, *others] = condition.children
    if isinstance(only, Q) and not others and not condition.negated:
        return _in_words(only)
    children = [
        f"{child[0]}={child[1]!r}"
        if isinstance(child, tuple)
        else (f"({_in_words(child)})" if isinstance(child, Q) else repr(child))
        for child in condition.children
    ]
    words = f" {condition.connector} ".join(children)
    return f"NOT ({words})" if condition.negated else words


def fingerprint(declared: Declared) -> str:
    """What a mirror maps, and how, as a hash: another one may make other rows."""
    said = [f"{name}={_said(value)}" for name, value in declared.words()]
    said += [f"include={_said(declared.include)}", f"source={declared.source.query.where!r}"]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def _said(value: Any) -> str:
    if callable(value) and not hasattr(value, "resolve_expression"):
        try:
            return inspect.getsource(value)
        except (OSError, TypeError):
            return str(getattr(value, "__qualname__", type(value).__qualname__))
    return repr(value)
