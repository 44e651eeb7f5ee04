"""The stand-in as an object, for tests and demos, and as a program."""

from __future__ import annotations

import errno
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from types import TracebackType
from typing import Any, Self

from conversion_sync.sandbox.faults import Fault, Request, parse_spec, spec_options
from conversion_sync.sandbox.server import API_PREFIX, App, Hook, SandboxServer
from conversion_sync.sandbox.store import Record, Store
from conversion_sync.sandbox.traffic import Call

__all__ = ["PortInUse", "Sandbox", "run"]

DEFAULT_PORT = 8899


class PortInUse(OSError):
    """Another program listens on that port."""


class Sandbox:
    """A local stand-in of the Conversion API over real HTTP, served by threads.

        with Sandbox() as box:
            client = Client("any key", box.base_url)

    Args:
        port: 0 takes a free one.
        host: loopback unless you know better: there is no protection.
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
        self.port = port
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
        self._server: SandboxServer | None = None
        self._thread: threading.Thread | None = None

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
            self._server = SandboxServer((self.host, self.port), self.app)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(error.errno, f"Port {self.port} is in use") from error
            raise
        self.app.stopping.clear()
        self.port = self._server.server_port
        self.app.base_url = self.base_url
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="sandbox", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and cut all connections, as a server that goes down; records stay."""
        server, thread = self._server, self._thread
        self._server = self._thread = None
        if server is not None and thread is not None:
            server.stop()
            thread.join()

    def close(self) -> None:
        """Stop, and close the file."""
        self.stop()
        self.app.store.close()

    @property
    def url(self) -> str:
        """Where the page is."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"

    @property
    def base_url(self) -> str:
        """What to use as the API's base URL."""
        return self.url.rstrip("/") + API_PREFIX

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
        self.app.add_hook(Hook("before", call, **where))

    def after(self, call: Callable[[Request], Any], **where: Any) -> None:
        """Call a function in the request's thread after its work, before its answer."""
        self.app.add_hook(Hook("after", call, **where))

    def set_status(self, email: str, status: str) -> None:
        """Change a status as if the person had clicked at the vendor.

        Raises:
            KeyError: no such contact.
        """
        self.app.store.set_statuses([(email, status)])

    def reset(self) -> None:
        """Forget records, calls, faults and hooks."""
        self.app.reset()


def run(
    *,
    port: int = DEFAULT_PORT,
    host: str = "127.0.0.1",
    rate: float = 10,
    latency: float = 0,
    fail: Iterable[str] = (),
    state: str | PathLike[str] | None = None,
    keys: Iterable[str] = (),
    item_errors: bool = False,
    seed: int | None = None,
    announce: Callable[[Sandbox], None] | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, or until ``stop`` is set.

    ``announce`` is called once it listens.

    Raises:
        PortInUse: another program listens there.
        ValueError: a spec in ``fail`` can't be read.
        sqlite3.Error: the state file can't be used.
    """
    faults = [parse_spec(spec) for spec in fail]
    stop = stop or threading.Event()
    box = Sandbox(
        port,
        host,
        rate=rate,
        latency=latency,
        keys=keys,
        item_errors=item_errors,
        state=state,
        seed=seed,
        keep_bodies=False,
    )
    for fault in faults:
        box.fail(fault)
    with _signals(stop), box:
        if announce is not None:
            announce(box)
        # A wait without a limit would hold off signals on some systems.
        while not stop.wait(0.5):
            continue


@contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """Have SIGINT and SIGTERM set the event, where this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stop.set()) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
