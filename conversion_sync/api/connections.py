"""Connections that tell how far a call has come, and that are used again only where that is safe.

An answer belongs to a request by its place in the connection alone. So a connection is never used
again after an answer that was not read to its very end, whose end is not plain, or behind which
another one may follow; and nothing is sent where something is waiting to be read.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
import time
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from conversion_sync.api.addresses import Addresses
from conversion_sync.api.calls import Handle, Phase, current_call
from conversion_sync.api.response import Response

__all__ = ["Adapter"]

#: Seconds. A connection that a server is about to close (many do after 5 s) makes the next call
#: ambiguous.
MAX_IDLE = 3.0

_addresses = Addresses()


class _SpokeFirstError(OSError):
    """The server said something, or closed, before it was asked."""


def _is_quiet(sock: Any) -> bool:
    """Whether nothing waits to be read, and the other side is there; what waited is lost."""
    timeout = sock.gettimeout()
    try:
        sock.settimeout(0)
        # Through TLS: a session ticket may wait below, which says nothing.
        sock.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            sock.settimeout(timeout)
    return False


class _Telling(HTTPConnection):
    """Tells the call of this thread before it connects and before it sends."""

    used_at = 0.0
    _connecting = False
    _handle: Handle | None = None
    _response: Response | None = None

    def response_class(self, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]  # called, not read
        """Make what reads an answer; http.client calls it by this name."""
        self._response = Response(*args, **kwargs)
        return self._response

    def may_be_used_again(self) -> bool:
        """Whether the last answer was all that the server said."""
        return self._response is None or not self._response.reader.said_more

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        try:
            self._handle = Handle(sock)
        except OSError:
            sock.close()
            raise
        if call := current_call():
            call.attach(self._handle)
        return sock

    def connect(self) -> None:
        if call := current_call():
            call.check()
        self._connecting = True
        try:
            super().connect()
        finally:
            self._connecting = False

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        # A proxy's CONNECT is sent while connecting; it is not the request.
        if not self._connecting and (call := current_call()):
            call.attach(self._handle)
            if call.phase is not Phase.SENDING:
                call.await_turn()
            if call.phase is not Phase.SENDING and not _is_quiet(self.sock):
                raise _SpokeFirstError("The server spoke before it was asked.")
            call.enter(Phase.SENDING)
        super().send(data)

    def close(self) -> None:
        self._handle = self._response = None
        super().close()


class _Racing(HTTPConnection):
    """Connects to the address of its host that answers first."""

    _address: Any = None

    def _new_conn(self) -> socket.socket:
        call = current_call()
        try:
            sock, self._address = _addresses.connect(
                self._dns_host.strip("[]"),
                self.port,
                self.timeout,  # type: ignore[arg-type]  # always given by the transport
                self.socket_options or (),
                call.check if call else lambda: None,
            )
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "no address answered in time") from error
        except OSError as error:
            raise NewConnectionError(self, "no address could be reached") from error
        return sock

    def connect(self) -> None:
        self._address = None
        try:
            super().connect()
        except BaseException:
            if self._address is not None:
                _addresses.failed(self._dns_host.strip("[]"), self.port, self._address)
            raise
        _addresses.worked(self._dns_host.strip("[]"), self.port, self._address)


class _Pool(HTTPConnectionPool):
    """Gives out connections that are fresh, and takes back those that may be used again."""

    def _get_conn(self, timeout: float | None = None) -> Any:
        conn: Any = super()._get_conn(timeout)
        if conn.sock is not None and (
            time.monotonic() - conn.used_at > MAX_IDLE or not _is_quiet(conn.sock)
        ):
            conn.close()
        return conn

    def _put_conn(self, conn: Any) -> None:
        # From here on another call may use it: giving this one up must not touch it.
        if call := current_call():
            call.attach(None)
        if conn is not None:
            conn.used_at = time.monotonic()
            if not conn.may_be_used_again():
                conn.close()
        super()._put_conn(conn)


@functools.cache
def _telling(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    """Return the class of pools, with connections that tell.

    What has a way of its own to connect (SOCKS) keeps it.
    """
    if issubclass(pool, _Pool):
        return pool
    connection: Any = pool.ConnectionCls
    racing = (_Racing,) if connection._new_conn is HTTPConnection._new_conn else ()
    tells = type(f"Telling{connection.__name__}", (_Telling, *racing, connection), {})
    return type(f"Telling{pool.__name__}", (_Pool, pool), {"ConnectionCls": tells})


_POOLS = {"http": _telling(HTTPConnectionPool), "https": _telling(HTTPSConnectionPool)}


class Adapter(HTTPAdapter):
    """Has requests use such connections, with a proxy and without."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        pools = manager.pool_classes_by_scheme
        manager.pool_classes_by_scheme = {scheme: _telling(pools[scheme]) for scheme in pools}
        return manager

    def cert_verify(self, *args: Any, **kwargs: Any) -> None:
        # From here on it is one of our connections, which will tell when it sends.
        if call := current_call():
            call.enter(Phase.PREPARING)
        super().cert_verify(*args, **kwargs)  # type: ignore[no-untyped-call]  # as requests has it
