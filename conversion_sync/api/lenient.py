"""Single values of an answer, read leniently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from conversion_sync.api.errors import is_documented

__all__ = ["first_id", "is_key", "read_code", "read_text"]


def read_code(value: Any) -> str:
    """Return a code as documented where it is one of those in any case, else as it came."""
    code = value.strip() if isinstance(value, str) else ""
    return code.upper() if is_documented(code.upper()) else code


def read_text(value: Any) -> str:
    """Return a message on one line, or "" where it is no text."""
    return " ".join(value.split()) if isinstance(value, str) else ""


def is_key(value: Any) -> bool:
    """Tell whether a value can name something: text, or a number that is not a truth value."""
    return (isinstance(value, str) and value != "") or (
        isinstance(value, int) and not isinstance(value, bool)
    )


def first_id(holder: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """Return the first of these members that can name something, as text."""
    return next((str(value) for name in names if is_key(value := holder.get(name))), None)
