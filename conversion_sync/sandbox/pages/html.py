"""HTML that is safe by its type: whatever is no `Html` is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

__all__ = ["Html", "escaped", "join", "tag"]


class Html(str):
    """Text that is escaped already."""

    __slots__ = ()


def escaped(part: str | int) -> Html:
    """Return the part as it stands in a page."""
    return part if isinstance(part, Html) else Html(escape(str(part)))


def join(parts: Iterable[str], between: str = "") -> Html:
    """Return the parts, one after the other."""
    return Html(escaped(between).join(escaped(part) for part in parts))


def tag(name: str, /, *parts: str | int, **attributes: str | bool | None) -> Html:
    """Return an element.

    Args:
        parts: its content.
        attributes: True is an attribute without a value, None or False none. An underscore at the
            end is dropped, another becomes a dash: ``class_``, ``aria_label``.
    """
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}"
        + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    opened = f"<{name}{written}>"
    if name in ("input", "meta", "wbr"):
        return Html(opened)
    return Html(f"{opened}{join(map(escaped, parts))}</{name}>")
