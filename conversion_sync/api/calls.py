"""A call on its way, seen from two threads: the one that makes it and the one that waits."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

__all__ = [
    "Call",
    "GivenUpError",
    "Handle",
    "HttpResponse",
    "Phase",
    "current_call",
    "making",
]


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What came back: status, headers (names in any case), and the decoded body.

    A repr shows the status alone, for a server may put anything into the others.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Phase(Enum):
    """How far a call has come."""

    PREPARING = 0  # nothing of the request was sent
    UNKNOWN = 1  # not by one of our connections: a mock
    SENDING = 2  # from here on the request may have arrived


class GivenUpError(Exception):
    """The caller stopped waiting; the worker must not send any more."""


class Handle:
    """A second descriptor of a connection's socket: TLS takes the first one over."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock.dup()

    def shut_down(self) -> None:
        """End the connection, whoever waits for it."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def __del__(self) -> None:
        # The call may outlast the connection object (Connection: close), so neither closes it.
        with contextlib.suppress(AttributeError, OSError):
            self._sock.close()


class Call:
    """A request on its way. The lock orders "give up" and "about to send".

    Args:
        before_sending: called right before the first byte is sent; what it raises ends the call
            unsent.
        turn: called before that, with the connection open; it returns when the call may begin.

    Attributes:
        done: set when ``response`` or ``error`` is.
        head: the response without its body, once its head has come.
    """

    def __init__(
        self,
        before_sending: Callable[[], None] | None = None,
        turn: Callable[[], None] | None = None,
    ) -> None:
        self.done = threading.Event()
        self.before_sending = before_sending
        self._turn, self._waited, self._waits_since = turn, 0.0, 0.0
        self.response: HttpResponse | None = None
        self.error: BaseException | None = None
        self.head: HttpResponse | None = None
        self.phase = Phase.PREPARING
        self._given_up = False
        self._handle: Handle | None = None
        self._lock = threading.Lock()

    @property
    def status(self) -> int | None:
        """The HTTP status, where the head of an answer has come."""
        return None if self.head is None else self.head.status

    @property
    def waited(self) -> float:
        """Seconds for which the call has waited for its turn, up to now."""
        since = self._waits_since
        return self._waited + (time.monotonic() - since if since else 0.0)

    def await_turn(self) -> None:
        """Wait until the call may begin. Whatever the turn raises ends the call unsent."""
        if self._turn is None:
            return
        turn, self._turn = self._turn, None
        self._waits_since = time.monotonic()
        try:
            turn()
        finally:
            self._waited, self._waits_since = self.waited, 0.0

    def enter(self, phase: Phase) -> None:
        """Go on to the phase.

        Raises:
            GivenUpError: nobody waits any more.
            Withheld: ``before_sending`` forbids it.
        """
        with self._lock:
            if self._given_up:
                raise GivenUpError
            if phase is Phase.SENDING and self.phase is not Phase.SENDING and self.before_sending:
                self.before_sending()
            self.phase = phase

    def attach(self, handle: Handle | None) -> None:
        """Know what to shut down when the call is given up."""
        with self._lock:
            self._handle = handle
            if self._given_up and handle is not None:
                handle.shut_down()

    def check(self) -> None:
        """Raise GivenUpError where nobody waits any more."""
        if self._given_up:
            raise GivenUpError

    def give_up(self) -> Phase:
        """Stop the worker where it is, and say how far it had come."""
        with self._lock:
            self._given_up = True
            if self._handle is not None:
                self._handle.shut_down()
            return self.phase


_current = threading.local()


def current_call() -> Call | None:
    """Return the call that this thread makes."""
    return getattr(_current, "call", None)


@contextlib.contextmanager
def making(call: Call) -> Iterator[None]:
    """Have the connections that this thread uses tell that call how far they are."""
    _current.call = call
    try:
        yield
    finally:
        _current.call = None
        call.attach(None)
