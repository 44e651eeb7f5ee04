"""What a person reads: addresses, values, times and calls."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from conversion_sync.api.keys import readable
from conversion_sync.sandbox.pages.html import Html, escaped, join, tag
from conversion_sync.sandbox.traffic import Call

__all__ = ["address", "answer", "call_words", "clock", "keys", "pairs", "status", "value"]

_BREAKS = re.compile(r"(?<=[@._+-])(?=.)")
_CLASSES = {"SUBSCRIBED": "ok", "UNSUBSCRIBED": "bad", "PENDING": "wait"}
_CALLS = {
    ("POST", "/contacts/batch"): "Upsert contacts",
    ("POST", "/contacts/batch-subscription"): "Set subscriptions",
    ("POST", "/contacts/engagements"): "Track an engagement",
    ("POST", "/companies/batch"): "Upsert companies",
    ("GET", "/contacts/by-email"): "Read a contact",
    ("DELETE", "/contacts/by-email"): "Delete a contact",
    ("GET", "/companies/by-external-id"): "Read a company",
    ("DELETE", "/companies/by-external-id"): "Delete a company",
}
_SHOWN_KEYS = 3


def address(key: str) -> Html:
    """Return an email or id that may break after its signs, and whose domain can be read."""
    shown = readable(key)
    parts = [escaped(part) for part in _BREAKS.split(shown)]
    return tag("bdi", join(parts, tag("wbr")), title=None if shown == key else key)


def keys(them: Iterable[str]) -> Html:
    """Return the first of some keys, and how many more there are."""
    them = list(them)
    shown = [address(key) for key in them[:_SHOWN_KEYS]]
    if more := len(them) - len(shown):
        shown.append(escaped(f"and {more:,} more"))
    return join(shown, ", ")


def status(word: str) -> Html:
    """Return a subscription status in its colour."""
    return tag("span", word, class_=f"fixed {_CLASSES.get(word, 'wait')}")


def value(it: Any) -> str:
    """Return a value as text; what is no text, as JSON."""
    if it is None:
        return ""
    return it if isinstance(it, str) else json.dumps(it, ensure_ascii=False)


def pairs(values: Mapping[str, Any]) -> Html:
    """Return names with their values."""
    items = [
        tag("li", tag("span", f"{name}: ", class_="soft"), tag("bdi", value(it)))
        for name, it in values.items()
    ]
    return tag("ul", *items) if items else Html()


def clock(moment: str | float) -> Html:
    """Return a time, as ISO 8601 or seconds, by this machine's clock."""
    if isinstance(moment, str):
        time = datetime.fromisoformat(moment).astimezone()
    else:
        time = datetime.fromtimestamp(moment).astimezone()
    is_today = time.date() == datetime.now().astimezone().date()
    shown = time.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M:%S")
    return tag("time", shown, datetime=time.isoformat(), class_="fixed")


def call_words(call: Call) -> str:
    """Return what a call was for."""
    path = call.path
    if call.method in ("GET", "DELETE"):
        path = path.rpartition("/")[0]
    words = _CALLS.get((call.method, path))
    if words is None:
        return f"{call.method} {call.path}"
    return f"{words} ({call.rows:,})" if call.rows > 1 else words


def answer(call: Call) -> Html:
    """Return what a call was answered, in its colour, and the fault that did it."""
    text = f"HTTP {call.status}" if call.status else "no answer"
    kind = "ok" if 200 <= call.status < 300 else "bad"
    shown = tag("span", text, class_=f"fixed {kind}")
    return join([shown, f" ({call.fault})"]) if call.fault else shown
