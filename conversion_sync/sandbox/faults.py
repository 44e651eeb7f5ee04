"""What goes wrong on purpose, and when.

A fault is looked for at each call, in the order in which they were added; the first that fits is
used. Kinds, with the option that each takes:

    status          status, code, message, body, headers   answer without doing the work
    html            status=200                             an HTML page, without doing the work
                    worked=True: either of them, after the work was done
    drop_before                                            reset the connection, before the work
    drop_after                                             do the work, then reset
    hang            seconds=3600                           do the work, say nothing, then reset
    hang_before     seconds=3600                           say nothing, then reset, without the work
    drip            rate=1                                 do the work, answer `rate` bytes a second
    truncated_json                                         do the work, answer half
    garbage                                                do the work, answer no JSON
    redirect        status=302, location                   without doing the work
    huge            size=64 MiB                            do the work, answer that many bytes
    success_false_200  code, message                       HTTP 200, success false; no work
    short_data      size=1                                 do the work, leave `size` items out
    reordered, repeated, strangers                         do the work, and so change the list
    item_errors     code, email                            do the work; answer items as failed
    merged          email                                  do the work; name it by another address
    echo            status                                 put the API key wherever text may stand
    deep            size=900                               do the work, answer so many levels
    interim         status=103, size=1, seconds=0.3        so many interim answers; wait so long
                                                           for another request; do the work
    surplus         size=1                                 do the work, answer so often too much
    poison          email, status=500, html=False          whenever a batch includes that key
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from conversion_sync.api.keys import normal_email, normal_id

__all__ = ["KINDS", "Fault", "Request"]

KINDS = frozenset(
    {
        "status",
        "html",
        "drop_before",
        "drop_after",
        "hang",
        "hang_before",
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
        "merged",
        "echo",
        "deep",
        "interim",
        "surplus",
        "poison",
    }
)


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
    seconds: float | None = None
    rate: float = 1.0
    location: str = "https://elsewhere.example/"
    size: int | None = None
    email: str | None = None
    html: bool = False
    worked: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            known = ", ".join(sorted(KINDS))
            raise ValueError(f"Unknown fault {self.kind!r}; a status (429), or one of {known}.")
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
