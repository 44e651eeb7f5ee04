"""What stands in the cells of a list: cut to a few lines, with the whole text at hand."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from conversion_sync.admin import badges
from conversion_sync.api.keys import readable
from conversion_sync.models.fields.times import instant
from conversion_sync.status import times

__all__ = ["address", "asker", "key", "lines", "moment", "text"]

#: Characters of a text, and of a key. A pointer that rests on it is told the rest, and the page of
#: the row, to which the first cell of a line leads, shows it.
TEXT, KEY, NAME = 60, 72, 40

#: A word this long is given places to break at.
WORD = 20

#: There an address may be broken: “ann.ross” and “@customer”, “.example”; “C-” and “1000”.
_BREAKS = re.compile(r"(?<=\w)(?=[@.])|(?<=[+_/-])(?=\w)")


def text(value: Any, length: int = TEXT) -> SafeString | str:
    """A text, cut at its end; blank where there is none."""
    whole = str(value or "")
    return _shown(whole, badges.one_line(whole, length))


def key(value: Any) -> SafeString | str:
    """An address, a domain or an id, cut in its middle: its end tells as much as its beginning."""
    whole = badges.one_line(str(value or ""), 1000)
    return _shown(whole, _cut(whole))


def address(value: str) -> SafeString | str:
    """An address as it is sent, in the letters of its domain; as it is sent at hand."""
    whole = badges.one_line(value, 1000)
    return _shown(whole, _cut(readable(whole)))


def _cut(key: str) -> str:
    half = KEY // 2
    return key if len(key) <= KEY else f"{key[:half]}…{key[-half:]}"


def _shown(whole: str, shown: str) -> SafeString | str:
    if not shown:
        return ""
    parts = _BREAKS.split(shown) if max(map(len, shown.split()), default=0) > WORD else [shown]
    words = format_html_join(SafeString("<wbr>"), "{}", ((part,) for part in parts))
    if shown == whole:
        return format_html("<bdi>{}</bdi>", words)
    return format_html('<bdi title="{}">{}</bdi>', badges.one_line(whole, 1000), words)


def moment(value: datetime | None, seconds: bool = False) -> SafeString | str:
    """A time, short, with its seconds at hand; blank where there is none.

    Args:
        seconds: they are shown, too.
    """
    if value is None:
        return ""
    short = times.since(instant(value), times.now(), seconds=seconds)
    return format_html('<span class="cs-moment" title="{}">{}</span>', times.exact(value), short)


def asker(name: str, source: str = "") -> SafeString | str:
    """Who asked for something, and what they did it by; blank where nobody is known."""
    if not name:
        return text(source, NAME)
    if not source:
        return text(name, NAME)
    return format_html("{} ({})", text(name, NAME), text(source, NAME))


def lines(first: Any, *others: Any) -> SafeString:
    """What a cell says first, and below that, more quietly, the others that are not blank."""
    return format_html(
        '<span class="cs-lines">{}{}</span>',
        format_html('<span class="cs-first">{}</span>', first) if first else "",
        format_html_join(
            "", '<span class="cs-more">{}</span>', ((each,) for each in others if each)
        ),
    )
