"""Which endpoint a request is for, and which records."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from conversion_sync.api.keys import normal_email, normal_id

__all__ = ["keys_of", "normal_keys", "route"]

_WRAPPERS = {
    "/contacts/batch": "contacts",
    "/contacts/batch-subscription": "contacts",
    "/companies/batch": "companies",
}
_RECORD = re.compile(r"/(contacts/by-email|companies/by-external-id)/([^/]+)")


def route(method: str, path: str) -> tuple[str, str] | None:
    """Return the endpoint's template and the key in the path, or None for no such endpoint."""
    if method == "POST" and (path in _WRAPPERS or path == "/contacts/engagements"):
        return f"POST {path}", ""
    if method in ("GET", "DELETE") and (match := _RECORD.fullmatch(path)):
        return f"{method} /{match[1]}", unquote(match[2])
    return None


def keys_of(endpoint: str, key: str, body: Any) -> list[str]:
    """Return the emails or ids that a request is about, as they came."""
    if not endpoint.startswith("POST"):
        return [key]
    if not isinstance(body, Mapping):
        return []
    if endpoint.endswith("/engagements"):
        return [str(body.get("contactEmail", ""))]
    wrapper = _WRAPPERS[endpoint.removeprefix("POST ")]
    items = body.get(wrapper)
    name = "id" if wrapper == "companies" else "email"
    return [
        str(item.get(name, ""))
        for item in (items if isinstance(items, list) else ())
        if isinstance(item, Mapping)
    ]


def normal_keys(endpoint: str, keys: Sequence[str]) -> tuple[str, ...]:
    """Return keys in the form in which they are compared."""
    normal = normal_id if "/companies/" in endpoint else normal_email
    return tuple(normal(key) for key in keys)
