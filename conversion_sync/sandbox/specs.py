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
    if not colon or not re.fullmatch(r"[01]?(\.\d+)?", chance) or not chance:
        # The colon may be part of a value, as in redirect=https://…
        head, chance = spec.strip(), "1"
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
        options[option] = read(value)
    return {"kind": kind, **options}
