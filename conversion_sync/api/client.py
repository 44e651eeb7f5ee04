"""Makes requests; and the API's eight calls by hand, for people and scripts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar, cast

from conversion_sync.api.errors import ApiError, Bug, ConversionError
from conversion_sync.api.generation import IN_USE
from conversion_sync.api.inputs import (
    CompanyRecord,
    ContactRecord,
    EngagementRecord,
    StatusChange,
)
from conversion_sync.api.item_errors import match_item_errors
from conversion_sync.api.permission import ask_permission
from conversion_sync.api.request import Answer, CallRecord, Request
from conversion_sync.api.results import (
    BatchResult,
    EngagementResult,
    RemoteCompany,
    RemoteContact,
)
from conversion_sync.api.scrubber import Scrubber
from conversion_sync.api.secret import Secret
from conversion_sync.api.transport import DEFAULT_DEADLINE, MAX_ANSWER_BYTES, Transport

__all__ = ["DEFAULT_BASE_URL", "Client"]

DEFAULT_BASE_URL = IN_USE.BASE_URL

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Client:
    """Calls the Conversion API. Safe to share among threads; usable after a fork.

    Args:
        api_key: of the Conversion account.
        base_url: https, or http to loopback.
        deadline: seconds for each whole call.
        max_answer_bytes: cap on an answer after decompression.
        on_call: called once for each HTTP call, in the calling thread, before the method returns
            or raises. What it raises is logged, so that an answer is never lost to it.

    `make` returns errors. Each other call raises `ConversionError` (see
    `conversion_sync.api.errors`); ValueError or TypeError for a body that is not JSON or a blank
    key, before anything is sent. None is retried here.

    Raises:
        ConfigurationError: an unusable key or URL.
    """

    def __init__(
        self,
        api_key: str | Secret,
        base_url: str = DEFAULT_BASE_URL,
        *,
        deadline: float = DEFAULT_DEADLINE,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        on_call: Callable[[CallRecord], None] | None = None,
    ) -> None:
        # From here on no frame holds it as a text.
        api_key = Secret(api_key)
        self._scrubber = Scrubber(api_key)
        self._transport = Transport(
            api_key, base_url, deadline, max_answer_bytes, key_header=IN_USE.KEY_HEADER
        )
        self.on_call = on_call

    def __repr__(self) -> str:
        # Also of one that is not made yet: reports of what fails then ask for it.
        transport = vars(self).get("_transport")
        return f"<{type(self).__name__} {transport.base_url if transport else ''}>"

    def make(
        self,
        request: Request[T],
        *,
        before_sending: Callable[[], None] | None = None,
        turn: Callable[[], None] | None = None,
    ) -> Answer[T]:
        """Make one call, and return what came of it, errors too.

        An error holds the API key nowhere. Whatever else is raised meanwhile is logged, and a
        `Bug` that has it as its cause.

        Args:
            before_sending: called right before the first byte is sent, in another thread. Where it
                raises `Withheld`, nothing is sent.
            turn: called before that in the same thread, with the connection open; it returns when
                the call may begin, which is then what the record says and the deadline counts from.
                It may raise `Withheld`, too.

        Raises:
            CallForbidden: whoever uses this package lets no call be made.
        """
        ask_permission(self._transport.base_url)
        started_at, started = time.time(), time.monotonic()

        def begin() -> None:
            nonlocal started_at, started
            if turn is not None:
                turn()
                started_at, started = time.time(), time.monotonic()

        status, answer = self._try(request, before_sending, begin)
        error = answer.error
        record = CallRecord(
            endpoint=request.endpoint,
            rows=request.rows,
            started_at=started_at,
            duration=time.monotonic() - started,
            status=status if error is None else error.status,
            error_code="" if error is None else error.code,
            error_message="" if error is None else error.message,
        )
        self._report(record)
        return replace(answer, record=record)

    def upsert_contacts(self, items: Sequence[ContactRecord]) -> BatchResult:
        """Create or update contacts. Results are keyed by the items' emails."""
        return self._result(IN_USE.upsert_contacts(items))

    def get_contact(self, email: str) -> RemoteContact:
        """Return one contact.

        Raises:
            NotFound: the API has no such contact.
        """
        return self._result(IN_USE.get_contact(email))

    def delete_contact(self, email: str) -> None:
        """Delete one contact.

        Raises:
            NotFound: the API has no such contact.
        """
        self._result(IN_USE.delete_contact(email))

    def set_subscriptions(self, items: Sequence[StatusChange]) -> BatchResult:
        """Set subscription statuses. Results are keyed by the items' emails."""
        return self._result(IN_USE.set_subscriptions(items))

    def track_engagement(self, item: EngagementRecord) -> EngagementResult:
        """Record an engagement. Not idempotent: a resend is a second engagement."""
        return self._result(IN_USE.track_engagement(item))

    def upsert_companies(self, items: Sequence[CompanyRecord]) -> BatchResult:
        """Create or update companies. Results are keyed by the items' ids."""
        return self._result(IN_USE.upsert_companies(items))

    def get_company(self, id: str) -> RemoteCompany:
        """Return one company by your own id.

        Raises:
            NotFound: the API has no such company.
        """
        return self._result(IN_USE.get_company(id))

    def delete_company(self, id: str) -> None:
        """Delete one company by your own id.

        Raises:
            NotFound: the API has no such company.
        """
        self._result(IN_USE.delete_company(id))

    def close(self) -> None:
        """Close the pooled connections. The client stays usable."""
        self._transport.close()

    def _result(self, request: Request[T]) -> T:
        """Make a call by hand.

        Raises:
            ConversionError: it did not succeed.
        """
        answer = self.make(request)
        if answer.error is not None:
            raise answer.error
        return cast(T, answer.result)

    def _try(
        self,
        request: Request[T],
        before_sending: Callable[[], None] | None,
        turn: Callable[[], None],
    ) -> tuple[int | None, Answer[T]]:
        """Return the HTTP status of a call, and what came of it, without a record."""
        status: int | None = None
        try:
            response = self._transport.send(request, before_sending, turn)
            status = response.status
            envelope = IN_USE.read_envelope(
                status, response.headers, response.body, request.endpoint
            )
            return status, Answer(self._scrubber.scrub_result(request.read(envelope)))
        except Exception as error:
            return status, Answer(error=self._as_error(error, request, status))

    def _as_error(
        self, error: Exception, request: Request[T], status: int | None
    ) -> ConversionError:
        """Return an error of the tree, that says which call it was and holds no API key."""
        if not isinstance(error, ConversionError):
            logger.exception("A call failed by a mistake of this program.")
            bug = Bug(repr(error))
            bug.__cause__ = error
            error = bug
        self._scrubber.scrub_error(error)
        if isinstance(error, ApiError) and request.keys:
            error.items = match_item_errors(error.items, request.keys, request.normal_key)
        error.endpoint = request.endpoint
        error.status = status if error.status is None else error.status
        return error

    def _report(self, record: CallRecord) -> None:
        if self.on_call is None:
            return
        try:
            self.on_call(record)
        except Exception:
            logger.exception("The on_call hook failed for %s.", record.endpoint)
