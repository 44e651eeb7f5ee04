"""The stand-in without sockets: requests and answers as HTTP, in this process."""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping
from typing import Any, cast

from conversion_sync.sandbox.app import App
from conversion_sync.sandbox.box import Sandbox
from conversion_sync.sandbox.faults import Fault
from conversion_sync.sandbox.handler import API_PREFIX, Handler

__all__ = ["InMemorySandbox"]

_numbers = itertools.count(1)


class _Connection:
    """What a handler takes for a socket: a request that has come, and what is answered."""

    def __init__(self, raw: bytes) -> None:
        self._raw, self._said, self._is_cut = raw, bytearray(), False

    @property
    def answer(self) -> bytes:
        """All that was said; nothing of a connection that was cut."""
        return b"" if self._is_cut else bytes(self._said)

    def makefile(self, *args: Any, **kwargs: Any) -> io.BytesIO:
        return io.BytesIO(self._raw)

    def sendall(self, data: bytes) -> None:
        self._said += data

    def setsockopt(self, *args: Any) -> None:
        """Nothing: there are no packets."""

    def close(self) -> None:
        self._is_cut = True


class _Site:
    """What a handler knows of its server."""

    serves_api, pages_at, server_name = True, "", "localhost"

    def __init__(self, app: App) -> None:
        self.app = app


class InMemorySandbox(Sandbox):
    """A sandbox that listens nowhere: ``answer`` takes a request, and ``base_url`` names it.

    It fails as it is told like any other, but for interim answers. The arguments are those of
    ``Sandbox`` that concern no port.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._number, self.is_open = next(_numbers), False

    def start(self) -> None:
        """Answer."""
        self.app.stopping.clear()
        self.is_open, self.app.base_url = True, self.base_url

    def stop(self) -> None:
        """Answer no more; records stay."""
        self.app.stopping.set()
        self.is_open = False

    @property
    def url(self) -> str:
        """Of no page: nobody listens at this port."""
        return f"http://localhost:0/{self._number}/"

    @property
    def base_url(self) -> str:
        """By which a client names it."""
        return self.url.rstrip("/") + API_PREFIX

    def fail(self, kind: str | Fault, **options: Any) -> Fault:
        """As that of ``Sandbox``.

        Raises:
            ValueError: no such kind, or interim answers: they need a connection.
        """
        if str(getattr(kind, "kind", kind)).partition(":")[0] == "interim":
            raise ValueError("Interim answers need a sandbox over HTTP.")
        return super().fail(kind, **options)

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """Answer a request, as bytes of HTTP; none where the connection would break.

        Args:
            path: what comes after ``base_url``, and its query.
        """
        given = {**headers, "Content-Length": str(len(body))}
        lines = [f"{method} {API_PREFIX}{path} HTTP/1.1", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in given.items()]
        head = "\r\n".join(lines) + "\r\n\r\n"
        connection = _Connection(head.encode("latin-1") + body)
        Handler(cast(Any, connection), ("memory", 0), cast(Any, _Site(self.app)))
        return connection.answer
