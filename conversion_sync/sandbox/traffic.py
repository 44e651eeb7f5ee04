"""The calls that came: their log, their counts, and how many fell into one second."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Call", "RateLimit", "Traffic"]

_WINDOW = 1.0


@dataclass
class Call:
    """One request of the API.

    ``time`` is ``time.time()``; ``status`` is 0 where no answer was sent; ``keys`` are the emails
    or ids as they came; ``fault`` is the kind of fault that was applied, or "".
    """

    time: float
    method: str
    path: str
    status: int = 0
    rows: int = 0
    keys: list[str] = field(default_factory=list)
    client: str = ""
    fault: str = ""
    body: Any = None

    def as_json(self) -> dict[str, Any]:
        """Return the call without its body."""
        values = asdict(self)
        del values["body"]
        return values


class RateLimit:
    """At most ``rate`` calls of one API key in any sliding second; 0 is no limit."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._lock = threading.Lock()
        self._taken: dict[str, deque[float]] = {}

    def take(self, key: str, now: float | None = None) -> int:
        """Return 0 where the call may pass, else the seconds (at least 1) to wait."""
        if self.rate <= 0:
            return 0
        now = time.monotonic() if now is None else now
        with self._lock:
            taken = self._taken.setdefault(key, deque())
            while taken and taken[0] <= now - _WINDOW:
                taken.popleft()
            if len(taken) < self.rate:
                taken.append(now)
                return 0
            return max(1, math.ceil(taken[0] + _WINDOW - now))

    def clear(self) -> None:
        """Forget what was taken."""
        with self._lock:
            self._taken.clear()


class Traffic:
    """The log and the counters. ``limit`` is how many calls the log keeps."""

    def __init__(self, limit: int = 10_000) -> None:
        self._lock = threading.Lock()
        self._calls: deque[Call] = deque(maxlen=limit)
        self._window: deque[float] = deque()
        self.worst_second = 0
        self.total = 0
        self.statuses: Counter[int] = Counter()
        self.endpoints: Counter[str] = Counter()
        self.clients: Counter[str] = Counter()

    def arrived(self, call: Call, endpoint: str, now: float | None = None) -> None:
        """Log a call as it arrives, whether or not it will be answered."""
        now = time.monotonic() if now is None else now
        with self._lock:
            self._calls.append(call)
            self._window.append(now)
            while self._window[0] <= now - _WINDOW:
                self._window.popleft()
            self.worst_second = max(self.worst_second, len(self._window))
            self.total += 1
            self.endpoints[endpoint] += 1
            self.clients[call.client] += 1

    def answered(self, call: Call, status: int) -> None:
        """Note the status that was sent; 0 for none."""
        with self._lock:
            call.status = status
            self.statuses[status] += 1

    @property
    def calls(self) -> list[Call]:
        """A snapshot of the log, oldest first."""
        with self._lock:
            return list(self._calls)

    def counters(self) -> dict[str, Any]:
        """Return the counts as JSON."""
        with self._lock:
            return {
                "calls": self.total,
                "worst_second": self.worst_second,
                "statuses": {str(status): n for status, n in sorted(self.statuses.items())},
                "endpoints": dict(self.endpoints),
                "clients": dict(self.clients),
            }

    def reset(self) -> None:
        """Forget everything."""
        with self._lock:
            self._calls.clear()
            self._window.clear()
            self.worst_second = self.total = 0
            for counter in (self.statuses, self.endpoints, self.clients):
                counter.clear()
