"""Which items of a batch the API's words about a failure are about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from conversion_sync.api.errors import ItemError
from conversion_sync.api.lenient import is_key, read_code, read_text

__all__ = ["item_error", "item_errors", "match_item_errors"]

_INDEX = re.compile(r"\[(\d{1,6})\]|\b(?:contacts|companies)[./](\d{1,6})\b")


def item_errors(details: Any) -> list[ItemError]:
    """Return those details which name items, in whichever of the usual forms they come."""
    if isinstance(details, Mapping):
        nested = [value for value in details.values() if isinstance(value, list)]
        if len(details) == 1 and nested:
            details = nested[0]
        else:
            details = [_keyed(name, value) for name, value in details.items()]
    if not isinstance(details, list):
        return []
    errors = (item_error(entry) for entry in details)
    return [error for error in errors if error.index is not None or error.key is not None]


def _keyed(name: str, value: Any) -> Any:
    """Return ``{"3": …}``, ``{"contacts[3].email": …}`` or ``{"a@x": …}`` as an entry."""
    entry = dict(value) if isinstance(value, Mapping) else {"message": value}
    if re.fullmatch(r"\d{1,6}", name, re.ASCII):
        entry.setdefault("index", int(name))
    elif _INDEX.search(name):
        entry.setdefault("path", name)
    else:
        entry.setdefault("key", name)
    return entry


def item_error(entry: Any) -> ItemError:
    """Return what one entry says: which item (index, key), which code, which message."""
    if not isinstance(entry, Mapping):
        return ItemError(_index_in(entry), None, "", read_text(entry))
    error = entry.get("error")
    inner: Mapping[str, Any] = error if isinstance(error, Mapping) else {}
    index = entry.get("index")
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        index = next(
            (
                found
                for name in ("path", "field", "loc", "property")
                if (found := _index_in(entry.get(name))) is not None
            ),
            None,
        )
    key = next(
        (
            str(value)
            for name in ("email", "contactEmail", "id", "key")
            if is_key(value := entry.get(name))
        ),
        None,
    )
    return ItemError(
        index=index,
        key=key,
        code=read_code(entry.get("code")) or read_code(inner.get("code")),
        message=read_text(entry.get("message"))
        or read_text(inner.get("message"))
        or read_text(error),
    )


def _index_in(path: Any) -> int | None:
    """Return the position named by ``contacts[3].email`` or ``["contacts", 3, "email"]``."""
    if isinstance(path, str) and (match := _INDEX.search(path)):
        return int(match[1] or match[2])
    if isinstance(path, list):
        return next(
            (part for part in path if isinstance(part, int) and not isinstance(part, bool)), None
        )
    return None


def match_item_errors(
    errors: Iterable[ItemError], keys: Sequence[str], normal: Callable[[str], str]
) -> list[ItemError]:
    """Return the errors that name items of this batch, under the caller's keys and positions.

    A key is believed over a position, which may count from 1; what matches nothing is dropped.
    """
    position = {normal(key): index for index, key in enumerate(keys)}
    matched = []
    for error in errors:
        index = position.get(normal(error.key)) if error.key is not None else None
        if index is None and error.index is not None and 0 <= error.index < len(keys):
            index = error.index
        if index is not None:
            matched.append(ItemError(index, keys[index], error.code, error.message))
    return matched
