"""A port that is served, or refuses connections."""

from __future__ import annotations

import errno
import socket
import threading

from conversion_sync.sandbox.app import App
from conversion_sync.sandbox.server import SandboxServer

__all__ = ["Listener", "PortInUse", "port_beside"]

#: Seconds between two looks at whether to stop: half of that is what a test waits for it.
POLL = 0.01


class PortInUse(OSError):
    """Another program listens on that port; ``port`` says on which."""

    def __init__(self, port: int) -> None:
        super().__init__(errno.EADDRINUSE, f"Port {port} is in use")
        self.port = port


class Listener:
    """A server in a thread of its own.

    Args:
        port: 0 takes a free one, and stays with it.
        serves_api: False: the pages and the control alone.
    """

    def __init__(self, host: str, port: int, app: App, *, serves_api: bool = True) -> None:
        self.host = host
        self.port = port
        self.pages_at = ""
        self._app = app
        self._serves_api = serves_api
        self._server: SandboxServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_open(self) -> bool:
        """Whether connections are accepted."""
        return self._server is not None

    def open(self) -> None:
        """Accept connections, always at the same port.

        Raises:
            PortInUse: another program listens there.
            OSError: it can't be listened on.
        """
        if self.is_open:
            return
        try:
            server = SandboxServer(
                (self.host, self.port),
                self._app,
                serves_api=self._serves_api,
                pages_at=self.pages_at,
            )
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(self.port) from error
            raise
        self._app.stopping.clear()
        self.port = server.server_port
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, args=(POLL,), name=f"sandbox-{self.port}", daemon=True
        )
        self._thread.start()

    def shut(self) -> None:
        """Refuse connections, and cut those that there are."""
        server, thread = self._server, self._thread
        self._server = self._thread = None
        if server is not None and thread is not None:
            server.stop()
            thread.join()


def port_beside(host: str, port: int) -> int:
    """Return the port after this one where it is free, else 0, which takes any."""
    if not port:
        return 0
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port + 1))
        except (OSError, OverflowError):
            return 0
    return port + 1
