"""The API's eight calls, each one HTTP request."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from conversion_sync.api import wire
from conversion_sync.api.errors import ApiError, ConversionError, ItemError, Refused
from conversion_sync.api.transport import DEFAULT_DEADLINE, MAX_ANSWER_BYTES, Transport
from conversion_sync.api.wire import (
    BatchResult,
    EngagementResult,
    RemoteCompany,
    RemoteContact,
)

__all__ = ["DEFAULT_BASE_URL", "CallRecord", "Client"]

DEFAULT_BASE_URL = wire.DEFAULT_BASE_URL

logger = logging.getLogger(__name__)

Item = Mapping[str, Any]
T = TypeVar("T")

_MESSAGE_LIMIT = 500
_CODE_LIMIT = 64


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One HTTP call, for a log. It holds no body, no key of a record and no API key.

    ``endpoint`` is a template (``"GET /contacts/by-email"``); ``started_at`` is ``time.time()``,
    ``duration`` is in seconds; ``error_code`` is "" for a success.
    """

    endpoint: str
    rows: int
    started_at: float
    duration: float
    status: int | None
    error_code: str
    error_message: str


class Client:
    """Calls the Conversion API. Safe to share among threads; usable after a fork.

    Args:
        api_key: the bearer token.
        base_url: https, or http to loopback.
        deadline: seconds for each whole call.
        max_answer_bytes: cap on an answer after decompression.
        on_call: called once for each HTTP call, in the calling thread, before the method returns
            or raises. What it raises is logged, so that an answer is never lost to it.

    Each method raises `ConversionError` (see `conversion_sync.api.errors`) with ``call`` set to
    its `CallRecord`; ValueError or TypeError for a body that is not JSON or a blank key, before
    anything is sent. None is retried here.

    Raises:
        ConfigurationError: an unusable key or URL.
    """

    def __init__(
        self,
        api_key: str,
        base_url: str = DEFAULT_BASE_URL,
        *,
        deadline: float = DEFAULT_DEADLINE,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        on_call: Callable[[CallRecord], None] | None = None,
    ) -> None:
        self._transport = Transport(api_key, base_url, deadline, max_answer_bytes)
        self.on_call = on_call

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._transport.base_url}>"

    def upsert_contacts(self, items: Sequence[Item]) -> BatchResult:
        """Create or update contacts (documented). Results are keyed by the items' emails."""
        return self._batch(
            wire.CONTACTS_BATCH, wire.wrap_contacts(items), items, "email", ("contactId", "id")
        )

    def get_contact(self, email: str) -> RemoteContact:
        """Return one contact (documented).

        Raises:
            NotFound: the API has no such contact.
        """
        return self._call(
            "GET",
            wire.contact_path(email),
            lambda envelope: wire.parse_contact(envelope, email),
            endpoint="GET /contacts/by-email",
        )

    def delete_contact(self, email: str) -> None:
        """Delete one contact (documented).

        Raises:
            NotFound: the API has no such contact.
        """
        self._call(
            "DELETE", wire.contact_path(email), _nothing, endpoint="DELETE /contacts/by-email"
        )

    def set_subscriptions(self, items: Sequence[Item]) -> BatchResult:
        """Set subscription statuses (inferred). Results are keyed by the items' emails."""
        return self._batch(
            wire.SUBSCRIPTIONS_BATCH, wire.wrap_contacts(items), items, "email", ("contactId", "id")
        )

    def track_engagement(self, body: Item) -> EngagementResult:
        """Record an engagement (documented). Not idempotent: a resend is a second engagement."""
        return self._call("POST", wire.ENGAGEMENTS, wire.parse_engagement, body)

    def upsert_companies(self, items: Sequence[Item]) -> BatchResult:
        """Create or update companies (inferred). Results are keyed by the items' ids."""
        return self._batch(
            wire.COMPANIES_BATCH, wire.wrap_companies(items), items, "id", ("companyId",)
        )

    def get_company(self, id: str) -> RemoteCompany:
        """Return one company by your own id (inferred).

        Raises:
            NotFound: the API has no such company.
        """
        return self._call(
            "GET",
            wire.company_path(id),
            lambda envelope: wire.parse_company(envelope, id),
            endpoint="GET /companies/by-external-id",
        )

    def delete_company(self, id: str) -> None:
        """Delete one company by your own id (inferred).

        Raises:
            NotFound: the API has no such company.
        """
        self._call(
            "DELETE", wire.company_path(id), _nothing, endpoint="DELETE /companies/by-external-id"
        )

    def close(self) -> None:
        """Close the pooled connections. The client stays usable."""
        self._transport.close()

    def _batch(
        self,
        path: str,
        body: Item,
        items: Sequence[Item],
        key_name: str,
        id_names: Sequence[str],
    ) -> BatchResult:
        keys = [str(item[key_name]) for item in items]
        normal = wire.normal_email if key_name == "email" else wire.normal_id
        try:
            result = self._call(
                "POST",
                path,
                lambda envelope: wire.parse_batch(
                    envelope, keys, key_name=key_name, id_names=id_names, normal=normal
                ),
                body,
                rows=len(items),
            )
        except ApiError as error:
            error.items = wire.match_item_errors(error.items, keys, normal)
            raise
        for key, item in result.items.items():
            if item.error is not None:
                result.items[key] = replace(item, error=self._clean_item(item.error))
        return result

    def _call(
        self,
        method: str,
        path: str,
        read: Callable[[dict[str, Any]], T],
        body: Item | None = None,
        *,
        rows: int = 1,
        endpoint: str = "",
    ) -> T:
        endpoint = endpoint or f"{method} {path}"
        started_at, started = time.time(), time.monotonic()

        def record(status: int | None, code: str = "", message: str = "") -> CallRecord:
            duration = time.monotonic() - started
            call = CallRecord(endpoint, rows, started_at, duration, status, code, message)
            self._report(call)
            return call

        status: int | None = None
        try:
            answer = self._transport.send(method, path, body, endpoint)
            status = answer.status
            result = read(wire.read_envelope(status, answer.headers, answer.body, endpoint))
        except ConversionError as error:
            self._scrub(error)
            error.endpoint = endpoint
            error.status = status if error.status is None else error.status
            error.call = record(error.status, error.code, error.message)
            raise
        record(status)
        return result

    def _report(self, call: CallRecord) -> None:
        if self.on_call is None:
            return
        try:
            self.on_call(call)
        except Exception:
            logger.exception("The on_call hook failed for %s.", call.endpoint)

    def _scrub(self, error: ConversionError) -> None:
        """Take the API key out of what the server may have echoed."""
        if not isinstance(error, ApiError):
            return
        error.message = self._clean(error.message)
        error.args = (error.message,)
        error.details = self._transport.scrub(error.details)
        error.items = [self._clean_item(item) for item in error.items]
        if isinstance(error, Refused):
            error.code = self._clean_code(error.code)

    def _clean_item(self, item: ItemError) -> ItemError:
        code = self._clean_code(item.code)
        return ItemError(item.index, item.key, code, self._clean(item.message))

    def _clean_code(self, code: str) -> str:
        """Return a code as a word that is safe wherever codes are shown and grouped by."""
        return re.sub(r"[^!-~]", "_", self._clean(code))[:_CODE_LIMIT]

    def _clean(self, text: str) -> str:
        """Return a text without the API key, then cut: a cut key would not be found."""
        return str(self._transport.scrub(text))[:_MESSAGE_LIMIT]


def _nothing(envelope: dict[str, Any]) -> None:
    """Read no more than the success of an envelope."""
