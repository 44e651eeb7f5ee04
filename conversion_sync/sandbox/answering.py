"""Sending an answer, as it should be and otherwise."""

from __future__ import annotations

import json
import select
import socket
import struct
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Protocol, cast

from conversion_sync.sandbox.app import App
from conversion_sync.sandbox.faults import Fault
from conversion_sync.sandbox.replies import Reply

__all__ = ["Answering", "Site"]

_NOT_THE_API = "<!doctype html><title>Error</title><h1>{status}</h1><p>Not the API.</p>"
_PHRASES = {int(status): status.phrase for status in HTTPStatus}


class Site(Protocol):
    """What a handler knows of its server.

    Attributes:
        serves_api: False: the pages and the control alone.
        pages_at: where the pages are, if another server has them.
    """

    app: App
    serves_api: bool
    pages_at: str
    server_name: str


class Answering(BaseHTTPRequestHandler):
    """A handler that can send each kind of answer."""

    protocol_version = "HTTP/1.1"
    server_version = "ConversionSandbox"
    sys_version = ""
    # Header and body in two packets would wait 40 ms for each other.
    disable_nagle_algorithm = True
    rbufsize = 64 * 1024

    @property
    def site(self) -> Site:
        """The server that the request came to."""
        return cast(Site, self.server)

    @property
    def app(self) -> App:
        """What the requests share."""
        return self.site.app

    def reply(self, reply: Reply) -> None:
        self.send(reply.status, json.dumps(reply.body).encode(), headers=reply.headers)

    def send_page(self, status: int) -> None:
        page = _NOT_THE_API.format(status=status)
        self.send(status, page.encode(), "text/html; charset=utf-8")

    def head(
        self, status: int, length: int, kind: str, headers: Mapping[str, str] | None = None
    ) -> bytes:
        phrase = _PHRASES.get(status, "")
        lines = [
            f"HTTP/1.1 {status} {phrase}",
            f"Date: {self.date_time_string()}",
            f"Content-Type: {kind}",
            f"Content-Length: {length}",
            *(f"{name}: {value}" for name, value in (headers or {}).items()),
        ]
        if self.close_connection:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def send(
        self,
        status: int,
        content: bytes,
        kind: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.wfile.write(self.head(status, len(content), kind, headers) + content)

    def drip(self, status: int, content: bytes, rate: float) -> None:
        for byte in self.head(status, len(content), "application/json") + content:
            self.wfile.write(bytes((byte,)))
            if self.app.stopping.wait(1 / rate):
                break

    def send_interim(self, fault: Fault) -> None:
        """Send interim answers, and give a client that takes one for the answer time to go on."""
        status = fault.status or 103
        head = f"HTTP/1.1 {status} {_PHRASES.get(status, '')}\r\nLink: </a.css>\r\n\r\n"
        self.wfile.write(head.encode("latin-1") * (fault.size or 1))
        seconds = 0.3 if fault.seconds is None else fault.seconds
        select.select([self.connection], [], [], seconds)

    def send_huge(self, status: int, size: int) -> None:
        self.wfile.write(self.head(status, size, "application/json"))
        chunk = b" " * min(size, 64 * 1024)
        while size > 0:
            self.wfile.write(chunk[:size])
            size -= len(chunk)

    def reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        # Files on the socket keep it open.
        self.rfile.close()
