"""The stand-in without HTTP: what its requests share."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from conversion_sync.api.errors import ErrorCode
from conversion_sync.sandbox.endpoints import Endpoints
from conversion_sync.sandbox.hooks import Hooks
from conversion_sync.sandbox.pages import Pages
from conversion_sync.sandbox.plan import FaultPlan
from conversion_sync.sandbox.replies import Reply, failure
from conversion_sync.sandbox.store import Store
from conversion_sync.sandbox.traffic import RateLimit, Traffic
from conversion_sync.sandbox.troubles import Troubles

__all__ = ["App"]

#: Records of each kind that the state shows.
_STATE_ROWS = 1000


class App:
    """The records, the traffic and the troubles. Safe to share among threads."""

    def __init__(
        self,
        store: Store,
        *,
        rate: float = 10,
        latency: float = 0,
        keys: Iterable[str] = (),
        max_batch: int = 200,
        item_errors: bool = False,
        details: bool = True,
        seed: int | None = None,
        keep_bodies: bool = True,
        calls_limit: int = 10_000,
    ) -> None:
        self.store = store
        self.endpoints = Endpoints(
            store, max_batch=max_batch, item_errors=item_errors, details=details
        )
        self.traffic = Traffic(calls_limit)
        self.limit = RateLimit(rate)
        self.plan = FaultPlan(seed)
        self.troubles = Troubles(self.plan, self.limit, latency)
        self.pages = Pages(store, self.traffic, self.limit, self.troubles)
        self.keys = frozenset(keys)
        self.keep_bodies = keep_bodies
        self.base_url = ""
        self.stopping = threading.Event()
        self.hooks = Hooks()

    def admit(self, authorization: str) -> Reply | None:
        """Return the refusal for a missing or wrong key or for too many calls, else None."""
        scheme, _, key = authorization.partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key or (self.keys and key not in self.keys):
            return failure(401, ErrorCode.UNAUTHORIZED, "The API key is missing or not valid")
        if wait := self.limit.take(key):
            reply = failure(429, ErrorCode.RATE_LIMIT_EXCEEDED, "Too many requests")
            reply.headers["Retry-After"] = str(wait)
            return reply
        return None

    def reset(self) -> None:
        """Forget records, calls, faults and hooks."""
        self.store.reset()
        self.traffic.reset()
        self.limit.clear()
        self.troubles.back_to_normal()
        self.hooks.clear()

    def state(self) -> dict[str, Any]:
        """Return the state as JSON; lists are cut to the latest."""
        contacts, companies = self.store.contacts, self.store.companies
        engagements = self.store.engagements
        return {
            "counts": {
                "contacts": len(contacts),
                "companies": len(companies),
                "engagements": len(engagements),
            },
            "contacts": dict(list(contacts.items())[-_STATE_ROWS:]),
            "companies": dict(list(companies.items())[-_STATE_ROWS:]),
            "engagements": engagements[-_STATE_ROWS:],
            "counters": self.traffic.counters(),
            "worst_second": self.traffic.worst_second,
            "calls": [call.as_json() for call in self.traffic.calls[-_STATE_ROWS:]],
            "faults": [str(fault) for fault in self.plan.waiting],
        }
