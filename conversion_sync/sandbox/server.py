"""The stand-in over HTTP."""

from __future__ import annotations

import socket
import threading
from http.server import ThreadingHTTPServer
from typing import Any

from conversion_sync.sandbox.app import App
from conversion_sync.sandbox.handler import Handler

__all__ = ["SandboxServer"]


class SandboxServer(ThreadingHTTPServer):
    """Threads for connections; stopping it ends the connections that are kept alive, too.

    Args:
        serves_api: False: the pages and the control alone.
        pages_at: where the pages are, if another server has them.
    """

    daemon_threads = True
    request_queue_size = 1024

    def __init__(
        self, address: tuple[str, int], app: App, *, serves_api: bool = True, pages_at: str = ""
    ) -> None:
        self.app = app
        self.serves_api = serves_api
        self.pages_at = pages_at
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        # HTTPServer looks up its own name here, which may take seconds.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent: clients that go away are part of the play."""

    def stop(self) -> None:
        """Stop listening, and cut every connection."""
        self.app.stopping.set()
        self.shutdown()
        self.server_close()
        with self._open_lock:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
