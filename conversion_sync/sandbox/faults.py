"""What goes wrong on purpose, and when.

A fault is looked for at each call, in the order in which they were added; the first that fits is
used. Kinds, with the option that each takes:

    status          status, code, message, body, headers   answer without doing the work
    html            status=200                             an HTML page, without doing the work
    drop_before                                            reset the connection, before the work
    drop_after                                             do the work, then reset
    hang            seconds=3600                           do the work, say nothing, then reset
    drip            rate=1                                 do the work, answer `rate` bytes a second
    truncated_json                                         do the work, answer half
    garbage                                                do the work, answer no JSON
    redirect        status=302, location                   without doing the work
    huge            size=64 MiB                            do the work, answer that many bytes
    success_false_200  code, message                       HTTP 200, success false; no work
    short_data      size=1                                 do the work, leave `size` items out
    reordered, repeated, strangers                         do the work, and so change the list
    item_errors     code, email                            do the work; answer items as failed
    poison          email, status=500, html=False          whenever a batch includes that key
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from conversion_sync.api.wire import normal_email, normal_id

__all__ = ["KINDS", "Fault", "FaultPlan", "Request", "parse_spec", "spec_options"]

KINDS = frozenset(
    {
        "status",
        "html",
        "drop_before",
        "drop_after",
        "hang",
        "drip",
        "truncated_json",
        "garbage",
        "redirect",
        "huge",
        "success_false_200",
        "short_data",
        "reordered",
        "repeated",
        "strangers",
        "item_errors",
        "poison",
    }
)

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
    "drip": ("rate", float),
    "redirect": ("location", str),
    "huge": ("size", int),
    "short_data": ("size", int),
    "item_errors": ("email", str),
    "poison": ("email", str),
}


@dataclass(frozen=True)
class Request:
    """A request as faults and hooks see it. ``path`` is without the base; ``keys`` are normal."""

    method: str
    path: str
    body: Any
    keys: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Fault:
    """One thing that goes wrong (see the module).

    Args:
        kind: one of `KINDS`.
        method, path: only for this method, and where this regular expression is found in the path.
        when: only where this says so of the body.
        count: how often; None is always.
        probability: from 0 to 1.

    Raises:
        ValueError: an unknown kind or a bad probability.
    """

    kind: str
    method: str | None = None
    path: str | None = None
    when: Callable[[Any], bool] | None = None
    count: int | None = 1
    probability: float = 1.0
    status: int | None = None
    code: str | None = None
    message: str = "A fault of the sandbox."
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 3600.0
    rate: float = 1.0
    location: str = "https://elsewhere.example/"
    size: int | None = None
    email: str | None = None
    html: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"Unknown fault {self.kind!r}; one of {', '.join(sorted(KINDS))}.")
        if not 0 <= self.probability <= 1:
            raise ValueError("A probability is from 0 to 1.")
        if self.kind == "poison" and not self.email:
            raise ValueError("A poison needs the email or id that it waits for.")

    @property
    def _poisons(self) -> set[str]:
        return {normal_email(self.email or ""), normal_id(self.email or "")}

    def fits(self, request: Request) -> bool:
        """Tell whether it is meant for this request, chance aside."""
        return (
            (self.method is None or self.method.upper() == request.method)
            and (self.path is None or re.search(self.path, request.path) is not None)
            and (self.when is None or self.when(request.body))
            and (self.kind != "poison" or not self._poisons.isdisjoint(request.keys))
        )

    def __str__(self) -> str:
        times = "always" if self.count is None else f"{self.count} more"
        chance = "" if self.probability == 1 else f", {self.probability:g} of the calls"
        where = " ".join(part for part in (self.method, self.path) if part)
        value = f" {self.status}" if self.status else f" {self.email}" if self.email else ""
        return f"{self.kind}{value} ({times}{chance}{f', {where}' if where else ''})"


def parse_spec(spec: str) -> Fault:
    """Return the fault of ``KIND[=VALUE][:PROBABILITY]``; it stays until it is cleared.

    Raises:
        ValueError: the spec can't be read (see `spec_options`).
    """
    return Fault(**{**spec_options(spec), "count": None})


def spec_options(spec: str) -> dict[str, Any]:
    """Return what ``KIND[=VALUE][:PROBABILITY]`` says, as arguments of `Fault`.

    KIND is a status (``429``, ``503:0.1``), or a kind of the module with dashes or underscores:
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


class FaultPlan:
    """The faults that are waiting. Thread-safe; the same seed makes the same choices."""

    def __init__(self, seed: int | None = None) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._random = random.Random(seed)  # noqa: S311 - chance, not secrecy

    def add(self, fault: Fault) -> None:
        """Append a fault."""
        with self._lock:
            self._faults.append(fault)

    def take(self, request: Request) -> Fault | None:
        """Return the fault for this request, and count it down."""
        with self._lock:
            for fault in self._faults:
                if not fault.fits(request):
                    continue
                if fault.probability < 1 and self._random.random() >= fault.probability:
                    continue
                if fault.count is not None:
                    fault.count -= 1
                    if fault.count <= 0:
                        self._faults.remove(fault)
                return fault
        return None

    @property
    def waiting(self) -> list[Fault]:
        """A snapshot."""
        with self._lock:
            return list(self._faults)

    def clear(self) -> None:
        """Drop all, and start the chance anew."""
        with self._lock:
            self._faults.clear()
            self._random.seed(self._seed)
