"""One HTTP request, one answer, within a deadline that holds.

``requests`` limits the wait for each read, not the whole call: a server that drips bytes keeps it
for ever. So the request runs on a worker thread, the caller waits for the deadline, and then the
socket is shut down. The worker says when it is about to send; that line decides between `NotSent`
and `NoAnswer`, and a call that is given up before it never crosses it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

import requests
from requests.structures import CaseInsensitiveDict

from conversion_sync.api import causes
from conversion_sync.api.base_url import check_base_url
from conversion_sync.api.body import BadEncodingError, TooLargeError, read_body
from conversion_sync.api.calls import Call, GivenUpError, HttpResponse, Phase, making
from conversion_sync.api.errors import (
    ConfigurationError,
    ConversionError,
    NoAnswer,
    NotSent,
    Redirected,
    Withheld,
)
from conversion_sync.api.request import Request
from conversion_sync.api.secret import Secret
from conversion_sync.api.session import KeyHeader, make_session
from conversion_sync.api.workers import Work, Workers

__all__ = ["DEFAULT_DEADLINE", "MAX_ANSWER_BYTES", "Transport"]

DEFAULT_DEADLINE = 30.0
MAX_ANSWER_BYTES = 10 * 1024 * 1024

_CONNECT_TIMEOUT = 10.0

logger = logging.getLogger(__name__)


class _State:
    """What belongs to one process: a fork must share neither connections nor threads."""

    def __init__(self, auth: KeyHeader, trust_env: bool) -> None:
        self.pid = os.getpid()
        self.workers = Workers()
        self.session = make_session(auth, trust_env=trust_env)


# Closing a parent's connections in a forked child could wait for a lock that no thread will ever
# release; they are kept instead.
_abandoned: list[_State] = []


class Transport:
    """Sends requests to one base URL with one API key. Safe to share among threads and forks.

    What comes back holds the API key nowhere, whatever the server echoes.

    Args:
        api_key: in no repr and no error.
        base_url: https, or http to loopback.
        deadline: seconds for a whole call, from name resolution to the last byte.
        max_answer_bytes: cap on an answer, counted after decompression.
        key_header: the header that carries the API key, and what stands before the key in it.

    Raises:
        ConfigurationError: an unusable key, URL or limit.
    """

    #: Known also before it is made: reports of what fails then ask for it.
    base_url = ""

    def __init__(
        self,
        api_key: str | Secret,
        base_url: str,
        deadline: float = DEFAULT_DEADLINE,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        *,
        key_header: tuple[str, str],
    ) -> None:
        # From here on no frame holds it as a text.
        api_key = Secret(api_key)
        if not api_key:
            raise ConfigurationError("The API key is missing.")
        if not api_key.is_sendable():
            raise ConfigurationError("The API key holds characters that no key has.")
        self._api_key = api_key
        self._auth = KeyHeader(api_key, *key_header)
        self.base_url = check_base_url(base_url)
        if not deadline > 0 or not max_answer_bytes > 0:
            raise ConfigurationError("The deadline and the size cap must be more than 0.")
        self.deadline = deadline
        self.max_answer_bytes = max_answer_bytes
        self._state = self._new_state()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.base_url}>"

    def send(
        self,
        request: Request[Any],
        before_sending: Callable[[], None] | None = None,
        turn: Callable[[], None] | None = None,
    ) -> HttpResponse:
        """Send one request and return its answer, whatever its status but 3xx. Never retries.

        Args:
            before_sending: called right before the first byte, in another thread; what it raises
                keeps the request here.
            turn: called before that, when the connection is open; it returns when the call may
                begin. Its time is none of the deadline's; it may raise `Withheld`, too.

        Raises:
            NotSent: it certainly never left.
            Withheld: ``before_sending`` raised it.
            NoAnswer: it may have arrived.
            Redirected: the answer was 3xx.
        """
        response = self._made(Call(before_sending, turn), request)
        if 300 <= response.status < 400:
            raise Redirected(
                "The server redirects; it was not followed.",
                status=response.status,
                endpoint=request.endpoint,
                location=response.headers.get("Location", ""),
            )
        return response

    def close(self) -> None:
        """Close the pooled connections. The next call opens new ones."""
        self._own_state().session.close()

    def _new_state(self) -> _State:
        # For plain http to loopback a proxy of the environment would see the key.
        return _State(self._auth, self.base_url.startswith("https:"))

    def _own_state(self) -> _State:
        if self._state.pid != os.getpid():
            _abandoned.append(self._state)
            self._state = self._new_state()
        return self._state

    def _made(self, call: Call, request: Request[Any]) -> HttpResponse:
        """Make the call on another thread, and wait for it no longer than the deadline."""
        state = self._own_state()

        def run() -> None:
            with making(call):
                try:
                    call.response = self._exchange(call, state.session, request)
                except BaseException as error:  # handed to the caller, who raises it
                    call.error = error

        try:
            state.workers.submit(Work(run, call.done))
        except RuntimeError as error:
            raise NotSent("No thread could be started.", endpoint=request.endpoint) from error
        try:
            self._wait_for(call)
        except BaseException:
            call.give_up()
            raise
        phase = call.phase if call.done.is_set() else call.give_up()
        if call.response is not None:
            return call.response
        # What the head of an answer says stands, whatever becomes of its body.
        if call.head is not None and _says_all(call.head):
            return call.head
        if call.error is not None and not isinstance(call.error, GivenUpError):
            causes.forget_secrets(call.error, self._api_key)
            raise self._failure(call.error, call, request.endpoint) from call.error
        raise self._overdue(call, phase, request.endpoint)

    def _wait_for(self, call: Call) -> None:
        """Wait until the call has ended, or has taken its time; the wait for its turn is none."""
        left, waited = self.deadline, 0.0
        while not call.done.wait(left):
            left = call.waited - waited
            if left <= 0:
                return
            waited += left

    def _overdue(self, call: Call, phase: Phase, endpoint: str) -> ConversionError:
        if phase is Phase.PREPARING:
            return NotSent(f"No connection within {self.deadline:g} s.", endpoint=endpoint)
        return NoAnswer(self._no_full_answer(), status=call.status, endpoint=endpoint)

    def _no_full_answer(self) -> str:
        return f"No full answer within {self.deadline:g} s."

    def _failure(self, error: BaseException, call: Call, endpoint: str) -> ConversionError:
        if not isinstance(error, Exception):
            raise error
        if isinstance(error, Withheld):
            return Withheld(error.message, endpoint=endpoint)
        reason = self._api_key.hide(causes.reason(error))
        unsent = call.phase is Phase.UNKNOWN and causes.is_not_sent(error)
        if call.phase is Phase.PREPARING or unsent:
            if not causes.is_of_the_channel(error):
                logger.warning("A call was not sent by a mistake of this client.", exc_info=error)
            return NotSent(reason, endpoint=endpoint)
        if isinstance(error, TooLargeError):
            reason = f"The answer is larger than {self.max_answer_bytes} bytes."
        elif isinstance(error, BadEncodingError):
            reason = "The answer is compressed in a way that can't be read."
        elif causes.is_overdue(error):
            # The socket's time was over a moment before the call's.
            reason = self._no_full_answer()
        elif not causes.is_of_the_channel(error):
            raise error  # a mistake of this client
        return NoAnswer(reason, status=call.status, endpoint=endpoint)

    def _exchange(
        self, call: Call, session: requests.Session, request: Request[Any]
    ) -> HttpResponse:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": "django-conversion-sync",
        }
        if request.content is not None:
            headers["Content-Type"] = "application/json"
        prepared = session.prepare_request(
            requests.Request(request.method, self.base_url, headers=headers, data=request.content)
        )
        # Set as it is: requests would undo the escape of a dot, and then take the step in the path.
        prepared.url = self.base_url + request.path
        settings = session.merge_environment_settings(self.base_url, {}, True, None, None)
        call.enter(Phase.UNKNOWN)
        response = session.send(
            prepared,
            timeout=(min(self.deadline, _CONNECT_TIMEOUT), self.deadline),
            allow_redirects=False,
            **settings,
        )
        call.head = self._clean(HttpResponse(response.status_code, response.headers, b""))
        try:
            body = read_body(response, self.max_answer_bytes, call.check)
        finally:
            response.close()
        return self._clean(HttpResponse(response.status_code, response.headers, body))

    def _clean(self, response: HttpResponse) -> HttpResponse:
        """Return the response without the API key."""
        headers = CaseInsensitiveDict(
            {name: self._api_key.hide(value) for name, value in response.headers.items()}
        )
        return HttpResponse(response.status, headers, self._api_key.hide_in(response.body))


def _says_all(head: HttpResponse) -> bool:
    """Whether the status is enough: a redirect, a refusal, or 503 that says when to come back."""
    if head.status == 503:
        return "Retry-After" in head.headers
    return 300 <= head.status < 400 or head.status in (401, 403, 413, 414, 429, 431)
