"""A fault in a few characters, for a command line: ``KIND[=VALUE][:PROBABILITY]``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from conversion_sync.sandbox.faults import Fault

__all__ = ["parse_spec", "spec_options"]

_ALIASES = {
    "drop": "drop_before",
    "truncate": "truncated_json",
    "success_false": "success_false_200",
    "short": "short_data",
}
# What the part after "=" sets, where a kind has one.
_VALUES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "html": ("status", int),
    "hang": ("seconds", float),
    "hang_before": ("seconds", float),
    "drip": ("rate", float),
    "redirect": ("location", str),
    "huge": ("size", int),
    "short_data": ("size", int),
    "item_errors": ("email", str),
    "merged": ("email", str),
    "deep": ("size", int),
    "interim": ("status", int),
    "poison": ("email", str),
}


def parse_spec(spec: str) -> Fault:
    """Return the fault of ``KIND[=VALUE][:PROBABILITY]``; it stays until it is cleared.

    Raises:
        ValueError: the spec can't be read (see `spec_options`).
    """
    return Fault(**{**spec_options(spec), "count": None})


def spec_options(spec: str) -> dict[str, Any]:
    """Return what ``KIND[=VALUE][:PROBABILITY]`` says, as arguments of `Fault`.

    KIND is a status (``429``, ``503:0.1``), or one of `KINDS` with dashes or underscores:
    ``drop:0.1``, ``drop-after``, ``hang=5:0.01``, ``html=502``, ``poison=a@x.example``.

    Raises:
        ValueError: the spec can't be read.
    """
    head, colon, chance = spec.strip().rpartition(":")
    if not colon or ("=" in head and not re.fullmatch(r"[01]|[01]?\.\d+", chance)):
        # The colon may be part of a value, as in redirect=https://…
        head, chance = spec.strip(), "1"
    elif not re.fullmatch(r"\d+|\d*\.\d+", chance):
        raise ValueError(f"{chance!r} is no probability: write one from 0 to 1, such as 0.3.")
    name, _, value = head.partition("=")
    name = name.strip().lower().replace("-", "_")
    options: dict[str, Any] = {"probability": float(chance)}
    if re.fullmatch(r"[2345]\d\d", name):
        return {"kind": "status", "status": int(name), **options}
    kind = _ALIASES.get(name, name)
    if value:
        if kind not in _VALUES:
            raise ValueError(f"The fault {name!r} takes no value.")
        option, read = _VALUES[kind]
        try:
            options[option] = read(value)
        except ValueError:
            raise ValueError(f"The fault {name!r} takes a number, not {value!r}.") from None
    return {"kind": kind, **options}
