"""The stand-in as an object, for tests and demos."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from os import PathLike
from types import TracebackType
from typing import Any, Self

from conversion_sync.api.v1 import SUBSCRIPTION_STATUSES
from conversion_sync.sandbox.app import App
from conversion_sync.sandbox.faults import Fault, Request
from conversion_sync.sandbox.handler import API_PREFIX
from conversion_sync.sandbox.hooks import Hook
from conversion_sync.sandbox.listener import Listener
from conversion_sync.sandbox.specs import spec_options
from conversion_sync.sandbox.store import Record, Store
from conversion_sync.sandbox.traffic import Call

__all__ = ["Sandbox"]


class Sandbox:
    """A local stand-in of the Conversion API over real HTTP, served by threads.

        with Sandbox() as box:
            client = Client("any key", box.base_url)

    Args:
        port: 0 takes a free one.
        host: loopback unless you know better: there is no protection.
        page_port: where the pages are, so that they answer while the API refuses connections; 0
            takes a free one. None has them at the API's port.
        rate: calls of one key that pass in any sliding second; 0 is no limit.
        latency: seconds to wait before each answer.
        keys: the API keys that are accepted; none is any.
        max_batch: items that one batch may hold.
        item_errors: answer bad items one by one; else refuse the batch.
        details: name the bad items in a refusal.
        state: a file in which records outlive the process.
        seed: makes the choices of probable faults the same each time.
        keep_bodies: keep the body of each call in `calls`.
    """

    def __init__(
        self,
        port: int = 0,
        host: str = "127.0.0.1",
        *,
        page_port: int | None = None,
        rate: float = 0,
        latency: float = 0,
        keys: Iterable[str] = (),
        max_batch: int = 200,
        item_errors: bool = False,
        details: bool = True,
        state: str | PathLike[str] | None = None,
        seed: int | None = None,
        keep_bodies: bool = True,
    ) -> None:
        self.host = host
        self.app = App(
            Store(state),
            rate=rate,
            latency=latency,
            keys=keys,
            max_batch=max_batch,
            item_errors=item_errors,
            details=details,
            seed=seed,
            keep_bodies=keep_bodies,
        )
        self._api = Listener(host, port, self.app)
        self._pages: Listener | None = None
        if page_port is not None:
            self._pages = Listener(host, page_port, self.app, serves_api=False)
            self.app.troubles.door = self._api

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Listen and serve. After `stop`, again on the same port, with the same records.

        Raises:
            PortInUse: another program listens there.
        """
        try:
            if self._pages is not None:
                self._pages.open()
                self._api.pages_at = self.url
            self._api.open()
        except OSError:
            self.stop()
            raise
        self.app.base_url = self.base_url

    def stop(self) -> None:
        """Stop serving and cut all connections, as a server that goes down; records stay."""
        self._api.shut()
        if self._pages is not None:
            self._pages.shut()

    def close(self) -> None:
        """Stop, and close the file."""
        self.stop()
        self.app.store.close()

    @property
    def port(self) -> int:
        """Where the API is."""
        return self._api.port

    @property
    def url(self) -> str:
        """Where the pages are."""
        return self._address(self._pages or self._api)

    @property
    def base_url(self) -> str:
        """What to use as the API's base URL."""
        return self._address(self._api).rstrip("/") + API_PREFIX

    def _address(self, listener: Listener) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{listener.port}/"

    @property
    def contacts(self) -> dict[str, Record]:
        """The contacts by normal email, in the vendor's words (``subscriptionStatus`` …)."""
        return self.app.store.contacts

    @property
    def companies(self) -> dict[str, Record]:
        """The companies by normal id."""
        return self.app.store.companies

    @property
    def engagements(self) -> list[Record]:
        """The engagements, in the order of arrival."""
        return self.app.store.engagements

    @property
    def calls(self) -> list[Call]:
        """The calls of the API, oldest first; the latest 10,000."""
        return self.app.traffic.calls

    @property
    def worst_second(self) -> int:
        """The most calls that came in any sliding second."""
        return self.app.traffic.worst_second

    @property
    def counters(self) -> dict[str, Any]:
        """Counts of calls, by status, endpoint and client."""
        return self.app.traffic.counters()

    @property
    def faults(self) -> list[Fault]:
        """The faults that are waiting."""
        return self.app.plan.waiting

    def fail(self, kind: str | Fault, **options: Any) -> Fault:
        """Queue a fault: a kind and options of `Fault`, a `Fault`, or a spec like ``"500:0.3"``.

        It is used once, unless ``count`` says otherwise (None: always); one with a probability
        stays.

        Raises:
            ValueError: no such kind.
        """
        if isinstance(kind, Fault):
            fault = kind
        else:
            options.setdefault("count", None if ":" in kind else 1)
            fault = Fault(**{**spec_options(kind), **options})
        self.app.plan.add(fault)
        return fault

    def clear_faults(self) -> None:
        """Drop the faults that are waiting."""
        self.app.plan.clear()

    def before(self, call: Callable[[Request], Any], **where: Any) -> None:
        """Call a function in the request's thread before its work.

        ``where`` is ``method``, ``path``, ``when`` and ``count`` (1 by default), as for `fail`.
        """
        self.app.hooks.add(Hook("before", call, **where))

    def after(self, call: Callable[[Request], Any], **where: Any) -> None:
        """Call a function in the request's thread after its work, before its answer."""
        self.app.hooks.add(Hook("after", call, **where))

    def set_status(self, email: str, status: str) -> None:
        """Change a status as if the person had clicked at the vendor.

        Raises:
            KeyError: no such contact.
            ValueError: no such status.
        """
        if status not in SUBSCRIPTION_STATUSES:
            raise ValueError(f"{status!r} is no status: {', '.join(SUBSCRIPTION_STATUSES)}.")
        self.app.store.set_statuses([(email, status)])

    def reset(self) -> None:
        """Forget records, calls, faults and hooks."""
        self.app.reset()
