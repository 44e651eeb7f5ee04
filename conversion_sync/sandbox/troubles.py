"""What a person can have go wrong by a button: a few faults with names, on or off.

Each is made of what the sandbox has anyway: faults of the plan, the rate limit, a wait before each
answer, and the door, which refuses connections.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Protocol

from conversion_sync.api.keys import normal_email
from conversion_sync.sandbox.faults import Fault
from conversion_sync.sandbox.plan import FaultPlan
from conversion_sync.sandbox.traffic import RateLimit

__all__ = ["TROUBLES", "Door", "Trouble", "Troubles"]

SLOW_SECONDS = 3
SLOW_RATE = 1
#: Longer than a client waits, and short enough that what hangs does not pile up.
HANG_SECONDS = 60
REFUSED = "The sandbox refuses this contact: press “Accept again” on its page, then “Retry”."


@dataclass(frozen=True)
class Trouble:
    """What a button does: its name, its words, and what the site makes of it."""

    name: str
    words: str
    says: str


TROUBLES = (
    Trouble(
        "slow",
        "Be slow",
        f"Each answer takes {SLOW_SECONDS} seconds more. Rows arrive, later.",
    ),
    Trouble(
        "refuse_connections",
        "Refuse connections",
        "As if no server ran. Nothing leaves the site; it tries again by itself.",
    ),
    Trouble(
        "fail",
        "Answer with errors",
        "Each call is answered HTTP 500. The site waits, and tries again by itself, but for "
        "engagements: they are in doubt.",
    ),
    Trouble(
        "hang",
        "Never answer",
        "Calls hang, and nothing is done. The site gives up each of them, and tries again by "
        "itself, but for engagements: they are in doubt.",
    ),
    Trouble(
        "refuse_key",
        "Refuse the key",
        "Each call is answered HTTP 401. The site stops sending, and says so.",
    ),
    Trouble(
        "limit",
        "Limit the rate",
        f"More than {SLOW_RATE} call a second is answered HTTP 429. The site slows down. To see "
        "it, tick all contacts in the admin's list, and choose “Sync now”.",
    ),
    Trouble(
        "lose",
        "Lose the next answer",
        "The next change is made, and its answer lost. A record is sent again; an engagement is "
        "in doubt, for a person to decide.",
    ),
)


class Door(Protocol):
    """Where connections come in."""

    @property
    def is_open(self) -> bool:
        """Whether connections are accepted."""

    def open(self) -> None:
        """Accept connections.

        Raises:
            OSError: another program has the port by now.
        """

    def shut(self) -> None:
        """Refuse connections, and cut those that there are."""


class Troubles:
    """The troubles that are on. Thread-safe.

    Args:
        latency: seconds before each answer, in normal times.
    """

    def __init__(self, plan: FaultPlan, limit: RateLimit, latency: float = 0) -> None:
        self.latency = latency
        self.door: Door | None = None
        self._plan = plan
        self._limit = limit
        self._lock = threading.RLock()
        self._normal: dict[str, float] = {}
        self._faults: dict[str, Fault] = {}
        self._refused: dict[str, Fault] = {}

    @property
    def offered(self) -> list[Trouble]:
        """Those that can be had here."""
        return [t for t in TROUBLES if t.name != "refuse_connections" or self.door]

    @property
    def current(self) -> list[Trouble]:
        """Those that are on."""
        with self._lock:
            waiting = self._plan.waiting
            return [t for t in self.offered if self._is_on(t.name, waiting)]

    @property
    def refused(self) -> list[str]:
        """The addresses that are refused, in their normal form."""
        with self._lock:
            waiting = self._plan.waiting
            return [key for key, fault in self._refused.items() if fault in waiting]

    @property
    def others(self) -> list[Fault]:
        """The faults that are waiting and were not asked for here."""
        with self._lock:
            own = [*self._faults.values(), *self._refused.values()]
            return [fault for fault in self._plan.waiting if fault not in own]

    def begin(self, name: str) -> None:
        """Switch one on.

        Raises:
            KeyError: there is none of this name.
        """
        with self._lock:
            self.end(name)
            if name == "slow":
                self._normal["slow"] = self.latency
                self.latency += SLOW_SECONDS
            elif name == "limit":
                self._normal["limit"] = self._limit.rate
                self._limit.rate = SLOW_RATE
            elif name == "refuse_connections" and self.door:
                self.door.shut()
            else:
                self._faults[name] = fault = Fault(**_FAULTS[name])
                self._plan.add(fault)

    def end(self, name: str) -> None:
        """Switch one off."""
        with self._lock:
            if name == "slow":
                self.latency = self._normal.pop("slow", self.latency)
            elif name == "limit":
                self._limit.rate = self._normal.pop("limit", self._limit.rate)
            elif name == "refuse_connections" and self.door:
                self.door.open()
            elif fault := self._faults.pop(name, None):
                self._plan.remove(fault)

    def refuse(self, email: str) -> None:
        """Refuse what is written to this contact, until it is accepted again."""
        key = normal_email(email)
        with self._lock:
            self.accept(key)
            self._refused[key] = fault = Fault(
                "poison",
                method="POST",
                email=key,
                count=None,
                status=400,
                code="VALIDATION_ERROR",
                message=REFUSED,
            )
            self._plan.add(fault)

    def accept(self, email: str) -> None:
        """Accept this contact again."""
        with self._lock:
            if fault := self._refused.pop(normal_email(email), None):
                self._plan.remove(fault)

    def back_to_normal(self) -> None:
        """Switch all off, the faults that were asked for elsewhere, too."""
        with self._lock:
            for trouble in self.current:
                self.end(trouble.name)
            self._plan.clear()
            self._faults.clear()
            self._refused.clear()

    def _is_on(self, name: str, waiting: list[Fault]) -> bool:
        if name == "refuse_connections":
            return self.door is not None and not self.door.is_open
        return name in self._normal or self._faults.get(name) in waiting


_FAULTS: dict[str, dict[str, Any]] = {
    "fail": {"kind": "status", "status": 500, "count": None},
    "hang": {"kind": "hang_before", "seconds": HANG_SECONDS, "count": None},
    "refuse_key": {
        "kind": "status",
        "status": 401,
        "count": None,
        "message": "The sandbox refuses every key.",
    },
    "lose": {"kind": "drop_after", "method": "POST"},
}
