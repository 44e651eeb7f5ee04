"""The faults that wait for their calls."""

from __future__ import annotations

import random
import threading

from conversion_sync.sandbox.faults import Fault, Request

__all__ = ["FaultPlan"]


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

    def remove(self, fault: Fault) -> None:
        """Drop a fault, if it still waits."""
        with self._lock:
            self._faults = [other for other in self._faults if other is not fault]

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
