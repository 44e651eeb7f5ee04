"""One HTTP request, one answer, within a deadline that holds.

``requests`` limits the wait for each read, not the whole call: a server that drips bytes keeps it
for ever. So the request runs on a worker thread, the caller waits for the deadline, and then the
socket is shut down. The worker says when it is about to send; that line decides between `NotSent`
and `NoAnswer`, and a call that is given up before it never crosses it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import socket
import threading
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from http.cookiejar import DefaultCookiePolicy
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ProxyError,
    SSLError,
)

from conversion_sync.api.errors import (
    ConfigurationError,
    ConversionError,
    NoAnswer,
    NotSent,
    Redirected,
)

__all__ = ["DEFAULT_DEADLINE", "MAX_ANSWER_BYTES", "Answer", "Transport", "check_base_url"]

DEFAULT_DEADLINE = 30.0
MAX_ANSWER_BYTES = 10 * 1024 * 1024

# A connection that a server is about to close (many do after 5 s) makes the next call ambiguous.
_MAX_IDLE = 3.0
_CONNECT_TIMEOUT = 10.0
_CHUNK = 64 * 1024
_WORKER_IDLE = 10.0
_MAX_IDLE_WORKERS = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, headers (names in any case), and the decoded body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def check_base_url(base_url: str) -> str:
    """Return the base URL without a trailing slash.

    Raises:
        ConfigurationError: not http(s), plain http to another host than loopback, or a URL with
            credentials, a query or a fragment.
    """
    try:
        parts = urlsplit(base_url.strip())
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError("The base URL is not a URL.") from error
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError("The base URL must start with https:// and name a host.")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError("The base URL must hold no credentials.")
    if parts.query or parts.fragment or any(char.isspace() for char in parts.geturl()):
        raise ConfigurationError("The base URL must hold no query, fragment or space.")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ConfigurationError("The base URL must be https; plain http is for loopback only.")
    return parts.geturl().rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_api_key(api_key: str) -> str:
    key = api_key.strip() if isinstance(api_key, str) else ""
    if not key:
        raise ConfigurationError("The API key is missing.")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigurationError("The API key holds characters that no key has.")
    return key


# One call, seen from both threads


class _Phase(Enum):
    UNKNOWN = 0  # not one of our connections: a mock, or a SOCKS proxy
    CONNECTING = 1
    SENDING = 2  # from here on the request may have arrived


class _GivenUpError(Exception):
    """The caller stopped waiting; the worker must not send any more."""


class _TooLargeError(Exception):
    """The answer passed the size cap."""


class _BadEncodingError(Exception):
    """The answer is compressed in a way that was not asked for, or is damaged."""


class _Handle:
    """A second descriptor of a connection's socket: TLS takes the first one over."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock.dup()

    def shut_down(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def __del__(self) -> None:
        # The call may outlast the connection object (Connection: close), so neither closes it.
        with contextlib.suppress(AttributeError, OSError):
            self._sock.close()


class _Call:
    """A request on its way. The lock orders "give up" and "about to send"."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.answer: Answer | None = None
        self.error: BaseException | None = None
        self.status: int | None = None
        self.phase = _Phase.UNKNOWN
        self._given_up = False
        self._handle: _Handle | None = None
        self._lock = threading.Lock()

    def enter(self, phase: _Phase) -> None:
        with self._lock:
            if self._given_up:
                raise _GivenUpError
            self.phase = phase

    def attach(self, handle: _Handle | None) -> None:
        with self._lock:
            self._handle = handle
            if self._given_up and handle is not None:
                handle.shut_down()

    def check(self) -> None:
        if self._given_up:
            raise _GivenUpError

    def give_up(self) -> _Phase:
        """Stop the worker where it is, and say how far it had come."""
        with self._lock:
            self._given_up = True
            if self._handle is not None:
                self._handle.shut_down()
            return self.phase


_current = threading.local()


def _current_call() -> _Call | None:
    return getattr(_current, "call", None)


# Connections that tell how far they are


class _Telling(HTTPConnection):
    """Tells the call of this thread before it connects and before it sends."""

    _connecting = False
    _handle: _Handle | None = None
    used_at = 0.0

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        self._handle = _Handle(sock)
        if call := _current_call():
            call.attach(self._handle)
        return sock

    def connect(self) -> None:
        if call := _current_call():
            call.enter(_Phase.CONNECTING)
        self._connecting = True
        try:
            super().connect()
        finally:
            self._connecting = False

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        # A proxy's CONNECT is sent while connecting; it is not the request.
        if not self._connecting and (call := _current_call()):
            call.attach(self._handle)
            call.enter(_Phase.SENDING)
        super().send(data)

    def close(self) -> None:
        self._handle = None
        super().close()


class _TellingTLS(_Telling, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Telling

    def _get_conn(self, timeout: float | None = None) -> Any:
        conn = super()._get_conn(timeout)
        if isinstance(conn, _Telling) and time.monotonic() - conn.used_at > _MAX_IDLE:
            conn.close()
        return conn

    def _put_conn(self, conn: Any) -> None:
        # From here on another call may use it: giving this one up must not touch it.
        if call := _current_call():
            call.attach(None)
        if isinstance(conn, _Telling):
            conn.used_at = time.monotonic()
        super()._put_conn(conn)


class _TLSPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _TellingTLS


_POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _Pool, "https": _TLSPool}


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager


class _Bearer(AuthBase):
    """The key as an auth of its own: with none set, requests would take one from a netrc."""

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._api_key}"
        return request


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return nothing: even unfollowed, requests would read such an answer without a cap."""


# Threads


class _Job:
    def __init__(self, call: _Call, transport: Transport, args: tuple[Any, ...]) -> None:
        self.call, self._transport, self._args = call, transport, args

    def run(self) -> None:
        _current.call = self.call
        try:
            self.call.answer = self._transport._exchange(self.call, *self._args)
        except BaseException as error:  # handed to the caller, who raises it
            self.call.error = error
        finally:
            _current.call = None
            self.call.attach(None)


class _Workers:
    """Daemon threads that are used again, and end when idle. One that hangs is just not reused."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[SimpleQueue[_Job]] = []

    def submit(self, job: _Job) -> None:
        with self._lock:
            inbox = self._idle.pop() if self._idle else None
        if inbox is None:
            inbox = SimpleQueue()
            threading.Thread(
                target=self._work, args=(inbox,), name="conversion-api", daemon=True
            ).start()
        inbox.put(job)

    def _work(self, inbox: SimpleQueue[_Job]) -> None:
        while True:
            try:
                job = inbox.get(timeout=_WORKER_IDLE)
            except Empty:
                with self._lock:
                    if inbox not in self._idle:
                        continue  # taken at this moment: a job is on its way
                    self._idle.remove(inbox)
                    return
            done = job.call.done
            job.run()
            del job
            # Idle before done, so that the caller's next call finds this thread.
            with self._lock:
                reused = len(self._idle) < _MAX_IDLE_WORKERS
                if reused:
                    self._idle.append(inbox)
            done.set()
            if not reused:
                return


class _State:
    """What belongs to one process: a fork must share neither connections nor threads."""

    def __init__(self, auth: AuthBase, proxied: bool) -> None:
        self.pid = os.getpid()
        self.workers = _Workers()
        self.session = _Session()
        self.session.auth = auth
        # For plain http to loopback a proxy of the environment would see the key.
        self.session.trust_env = proxied
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.session.headers.clear()
        adapter = _Adapter(pool_connections=4, pool_maxsize=16, max_retries=0)
        self.session.mount("https://", adapter)
        self.session.mount("http://", adapter)


# Closing a parent's connections in a forked child could wait for a lock that no thread will ever
# release; they are kept instead.
_abandoned: list[_State] = []


class Transport:
    """Sends requests to one base URL with one API key. Safe to share among threads and forks.

    Args:
        api_key: sent as a bearer token; in no repr and no error.
        base_url: https, or http to loopback.
        deadline: seconds for a whole call, from name resolution to the last byte.
        max_answer_bytes: cap on an answer, counted after decompression.

    Raises:
        ConfigurationError: an unusable key, URL or limit.
    """

    def __init__(
        self,
        api_key: str,
        base_url: str,
        deadline: float = DEFAULT_DEADLINE,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._api_key = _check_api_key(api_key)
        self.base_url = check_base_url(base_url)
        if not deadline > 0 or not max_answer_bytes > 0:
            raise ConfigurationError("The deadline and the size cap must be more than 0.")
        self.deadline = deadline
        self.max_answer_bytes = max_answer_bytes
        self._state = self._new_state()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.base_url}>"

    def send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, endpoint: str = ""
    ) -> Answer:
        """Send one request and return its answer, whatever its status but 3xx. Never retries.

        Raises:
            NotSent: it certainly never left.
            NoAnswer: it may have arrived.
            Redirected: the answer was 3xx.
            ValueError, TypeError: the body is not JSON (NaN, a date). Nothing was sent.
        """
        content = None if body is None else json.dumps(body, allow_nan=False).encode()
        call = _Call()
        state = self._own_state()
        job = _Job(call, self, (state.session, method, path, content))
        try:
            state.workers.submit(job)
            call.done.wait(self.deadline)
        except BaseException:
            call.give_up()
            raise
        if not call.done.is_set():
            phase = call.give_up()
            if call.answer is None and call.error is None:
                raise self._overdue(call, phase, endpoint)
        if call.error is not None:
            _forget_secrets(call.error)
            raise self._failure(call.error, call, endpoint) from call.error
        if call.answer is None:  # pragma: no cover - a job ends with one of the two
            raise NoAnswer(endpoint=endpoint)
        if 300 <= call.answer.status < 400:
            raise Redirected(
                "The server redirects; it was not followed.",
                status=call.answer.status,
                endpoint=endpoint,
                location=self.scrub(call.answer.headers.get("Location", "")),
            )
        return call.answer

    def scrub(self, value: Any) -> Any:
        """Return a JSON value without the API key in any text of it."""
        if isinstance(value, str):
            return value.replace(self._api_key, "***")
        if isinstance(value, list):
            return [self.scrub(item) for item in value]
        if isinstance(value, dict):
            return {self.scrub(name): self.scrub(item) for name, item in value.items()}
        return value

    def close(self) -> None:
        """Close the pooled connections. The next call opens new ones."""
        self._own_state().session.close()

    def _new_state(self) -> _State:
        return _State(_Bearer(self._api_key), self.base_url.startswith("https:"))

    def _own_state(self) -> _State:
        if self._state.pid != os.getpid():
            _abandoned.append(self._state)
            self._state = self._new_state()
        return self._state

    def _overdue(self, call: _Call, phase: _Phase, endpoint: str) -> ConversionError:
        if phase is _Phase.CONNECTING:
            return NotSent(f"No connection within {self.deadline:g} s.", endpoint=endpoint)
        return NoAnswer(
            f"No full answer within {self.deadline:g} s.", status=call.status, endpoint=endpoint
        )

    def _failure(self, error: BaseException, call: _Call, endpoint: str) -> ConversionError:
        phase = call.phase
        if phase is _Phase.CONNECTING or (phase is _Phase.UNKNOWN and _is_not_sent(error)):
            return NotSent(self.scrub(_reason(error)), endpoint=endpoint)
        if isinstance(error, _TooLargeError):
            text = f"The answer is larger than {self.max_answer_bytes} bytes."
        elif isinstance(error, _BadEncodingError):
            text = "The answer is compressed in a way that can't be read."
        elif isinstance(error, (requests.RequestException, HTTPError, OSError)):
            text = self.scrub(_reason(error))
        else:
            raise error  # a mistake of this module, not of the channel
        return NoAnswer(text, status=call.status, endpoint=endpoint)

    def _exchange(
        self,
        call: _Call,
        session: requests.Session,
        method: str,
        path: str,
        content: bytes | None,
    ) -> Answer:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": "django-conversion-sync",
        }
        if content is not None:
            headers["Content-Type"] = "application/json"
        prepared = session.prepare_request(
            requests.Request(method, self.base_url, headers=headers, data=content)
        )
        # Set as it is: requests would undo the escape of a dot, and then take the step in the path.
        prepared.url = self.base_url + path
        settings = session.merge_environment_settings(self.base_url, {}, True, None, None)
        response = session.send(
            prepared,
            timeout=(min(self.deadline, _CONNECT_TIMEOUT), self.deadline),
            allow_redirects=False,
            **settings,
        )
        call.status = response.status_code
        try:
            body = self._read(call, response)
        except (_TooLargeError, _BadEncodingError, HTTPError, OSError):
            # These three say all there is to know, whatever became of the body.
            if response.status_code not in (401, 403, 429):
                raise
            body = b""
        finally:
            response.close()
        return Answer(response.status_code, response.headers, body)

    def _read(self, call: _Call, response: requests.Response) -> bytes:
        """Return the decoded body; the cap holds for each step of the decompression."""
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("identity", "", "gzip", "x-gzip"):
            raise _BadEncodingError
        inflate = zlib.decompressobj(31) if "gzip" in encoding else None
        parts: list[bytes] = []
        size = 0
        while chunk := response.raw.read(_CHUNK, decode_content=False):
            call.check()
            if inflate is not None:
                try:
                    chunk = inflate.decompress(chunk, self.max_answer_bytes + 1 - size)
                except zlib.error as error:
                    raise _BadEncodingError from error
            size += len(chunk)
            if size > self.max_answer_bytes:
                raise _TooLargeError
            parts.append(chunk)
        # A body of no bytes at all (HEAD-like, 204) is no gzip stream, and need not be one.
        if inflate is not None and parts and not inflate.eof:
            raise _BadEncodingError
        return b"".join(parts)


def _forget_secrets(error: BaseException) -> None:
    """Cut what an error report would show: frames of libraries, with the headers as locals."""
    chain: BaseException | None = error
    while chain is not None:
        trace = chain.__traceback__
        if trace is not None and trace.tb_frame.f_code.co_filename != __file__:
            chain.__traceback__ = None
        while trace is not None:
            following = trace.tb_next
            if following is not None and following.tb_frame.f_code.co_filename != __file__:
                trace.tb_next = None
                break
            trace = following
        if isinstance(chain, requests.RequestException):
            chain.request = None
        chain = chain.__cause__ or chain.__context__


def _is_not_sent(error: BaseException) -> bool:
    """Tell by its type whether an error came before anything was sent."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    if isinstance(
        error, (requests.exceptions.SSLError, requests.exceptions.ProxyError, ValueError)
    ):
        return True
    return isinstance(_root(error), (NewConnectionError, ConnectTimeoutError, SSLError, ProxyError))


def _root(error: BaseException) -> BaseException:
    """Return what urllib3 said, from under what requests made of it."""
    inner = error.args[0] if error.args else None
    if isinstance(inner, MaxRetryError) and inner.reason is not None:
        return inner.reason
    return inner if isinstance(inner, BaseException) else error


def _reason(error: BaseException) -> str:
    """Return a short text; the long ones of urllib3 hold object reprs and paths with emails."""
    root = _root(error)
    cause = root.__cause__ or root.__context__
    known = next((found for found in (root, cause) if isinstance(found, OSError)), None)
    text = known.strerror if known is not None else None
    name = type(root).__name__
    return f"{name}: {text}" if text else name
