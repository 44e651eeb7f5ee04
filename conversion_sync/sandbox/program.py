"""The stand-in as a program."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from os import PathLike

from conversion_sync.sandbox.box import Sandbox
from conversion_sync.sandbox.listener import port_beside
from conversion_sync.sandbox.options import DEFAULT_PORT
from conversion_sync.sandbox.specs import parse_spec

__all__ = ["run"]


def run(
    *,
    port: int = DEFAULT_PORT,
    host: str = "127.0.0.1",
    page_port: int | None = None,
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

    ``announce`` is called once it listens. Without ``page_port``, the pages are at the port after
    the API's, or at a free one.

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
        page_port=port_beside(host, port) if page_port is None else page_port,
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
