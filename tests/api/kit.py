"""Servers on plain sockets, that say what a test wants, and a transport that talks to them."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

from conversion_sync.api import Request
from tests.kit import PROMPT

KEY = "sk_live_very_secret"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def request(method, path, body=None):
    """A request whose answer is read as it comes."""
    return Request(method, path, f"{method} {path}", dict, body)


class Raw:
    """A server of one function for each connection, on plain sockets."""

    def __init__(self, serve, context=None):
        self.serve, self.context = serve, context
        self.received = b""
        self.connections = 0
        self.ended = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.port}"
        self.threads = []
        self.open = []
        self.acceptor = threading.Thread(target=self.accept, daemon=True)
        self.acceptor.start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            # A second descriptor: TLS takes the first one over.
            handle = connection.dup()
            self.open.append(handle)
            thread = threading.Thread(target=self.one, args=(connection, handle), daemon=True)
            self.threads.append(thread)
            thread.start()

    def one(self, connection, handle):
        with connection, contextlib.suppress(OSError):
            if self.context:
                with self.context.wrap_socket(connection, server_side=True) as secured:
                    self.serve(self, secured)
            else:
                self.serve(self, connection)
        with contextlib.suppress(OSError):
            handle.shutdown(socket.SHUT_RDWR)
        self.ended.set()

    def request(self, connection):
        """Read one request (without a long body)."""
        data = b""
        while b"\r\n\r\n" not in data:
            part = connection.recv(65536)
            if not part:
                return b""
            data += part
        self.received += data
        return data

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.acceptor.join(5)
        for connection in self.open:
            with connection, contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(5)


def answering(answer):
    def serve(server, connection):
        while server.request(connection):
            connection.sendall(answer)

    return serve


def answering_once(answer):
    def serve(server, connection):
        server.request(connection)
        connection.sendall(answer)

    return serve


def silent(server, connection):
    while connection.recv(65536):
        pass


def dripping(head):
    def serve(server, connection):
        server.request(connection)
        connection.sendall(head)
        for _ in range(6000):
            connection.sendall(b"x")
            time.sleep(0.02)

    return serve


@contextlib.contextmanager
def promptly():
    started = time.monotonic()
    yield
    assert time.monotonic() - started < PROMPT
