"""Connecting to whichever address of a host answers first (RFC 8305, "happy eyeballs")."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import Any, cast

__all__ = ["Addresses"]

Option = tuple[int, int, int | bytes]

#: As the socket takes it: host and port, for IPv6 two more.
Address = tuple[Any, ...]

#: One of what ``socket.getaddrinfo`` returns.
Info = tuple[Any, Any, int, str, Address]

#: Seconds before the next address is tried beside the ones before (RFC 8305, section 5).
_DELAY = 0.25

#: Seconds between two looks at whether the caller still waits.
_LOOK = 0.5


def _nobody_gives_up() -> None:
    """Go on."""


class Addresses:
    """Connects to hosts, and tries first what worked last. Safe to share among threads."""

    def __init__(self) -> None:
        self._good: dict[tuple[str, int], Address] = {}
        self._bad: dict[tuple[str, int], Address] = {}

    def connect(
        self,
        host: str,
        port: int,
        timeout: float,
        options: Iterable[Option] = (),
        check: Callable[[], None] = _nobody_gives_up,
    ) -> tuple[socket.socket, Address]:
        """Return a connected socket with that timeout, and its address.

        Args:
            timeout: seconds for all addresses together, name resolution aside.
            options: for ``setsockopt``, before it connects.
            check: called now and then; what it raises ends the attempt.

        Raises:
            socket.gaierror: no such name.
            OSError: no address answered; TimeoutError where none even refused.
        """
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        race = _Race(self._ordered((host, port), infos), timeout, list(options), check)
        try:
            return race.run()
        finally:
            race.close()

    def worked(self, host: str, port: int, address: Address) -> None:
        """Try this address first from now on."""
        self._good[host, port] = address
        if self._bad.get((host, port)) == address:
            self._bad.pop((host, port), None)

    def failed(self, host: str, port: int, address: Address) -> None:
        """Try this address last: it took the connection, and then no TLS handshake came of it."""
        self._bad[host, port] = address
        if self._good.get((host, port)) == address:
            self._good.pop((host, port), None)

    def _ordered(self, place: tuple[str, int], infos: Sequence[Info]) -> list[Info]:
        good, bad = self._good.get(place), self._bad.get(place)
        return sorted(_alternating(infos), key=lambda info: (info[4] == bad) - (info[4] == good))


def _alternating(infos: Sequence[Info]) -> list[Info]:
    """Return the addresses in their order, but one of each family in turn."""
    first = [info for info in infos if info[0] == infos[0][0]]
    others = [info for info in infos if info[0] != infos[0][0]]
    return [info for pair in zip_longest(first, others) for info in pair if info is not None]


class _Race:
    """Attempts side by side, each begun a moment after the one before, or when that failed."""

    def __init__(
        self,
        infos: Sequence[Info],
        timeout: float,
        options: Sequence[Option],
        check: Callable[[], None],
    ) -> None:
        self._waiting = deque(infos)
        self._options, self._check, self._timeout = options, check, timeout
        self._end = time.monotonic() + timeout
        self._next_start = 0.0
        self._selector = selectors.DefaultSelector()
        self._error: OSError = TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))

    def run(self) -> tuple[socket.socket, Address]:
        """Return the first socket that is connected, and its address."""
        while self._waiting or self._selector.get_map():
            self._check()
            now = time.monotonic()
            if now >= self._end:
                raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
            if self._waiting and now >= self._next_start:
                self._next_start = now + _DELAY
                self._start(self._waiting.popleft())
            for key, _ in self._selector.select(self._pause()):
                if self._is_connected(key.fileobj):
                    return cast(socket.socket, key.fileobj), key.data
        raise self._error

    def close(self) -> None:
        """Drop the attempts that were not first."""
        for key in list((self._selector.get_map() or {}).values()):
            key.fileobj.close()  # type: ignore[union-attr]  # only sockets are registered
        self._selector.close()

    def _pause(self) -> float:
        until = min(self._end, self._next_start) if self._waiting else self._end
        return max(0.0, min(until - time.monotonic(), _LOOK))

    def _start(self, info: Info) -> None:
        family, kind, protocol, _, address = info
        sock = None
        try:
            sock = socket.socket(family, kind, protocol)
            for option in self._options:
                sock.setsockopt(*option)
            sock.setblocking(False)
            code = sock.connect_ex(address)
            if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
                raise OSError(code, os.strerror(code))
        except OSError as error:
            self._lost(sock, error)
        else:
            self._selector.register(sock, selectors.EVENT_WRITE, address)

    def _is_connected(self, sock: Any) -> bool:
        self._selector.unregister(sock)
        if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._lost(sock, OSError(code, os.strerror(code)))
            return False
        sock.settimeout(self._timeout)
        return True

    def _lost(self, sock: socket.socket | None, error: OSError) -> None:
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.close()
        self._error = error
        self._next_start = 0.0
