"""Every request body and answer shape of the API, and nothing else.

Shapes the vendor documents are marked *documented*; the others are *inferred* from them. A
correction, or another generation of the API, is a change of this module (or a sibling of it).
Answers are read leniently: unknown keys are ignored, a missing optional key is no error, and only
what matches an item of the request is believed.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from conversion_sync.api.errors import (
    ApiError,
    ItemError,
    NoAnswer,
    api_error_class,
    code_for_status,
    is_documented,
)

__all__ = [
    "COMPANIES_BATCH",
    "CONTACTS_BATCH",
    "DEFAULT_BASE_URL",
    "ENGAGEMENTS",
    "SUBSCRIPTIONS_BATCH",
    "SUBSCRIPTION_STATUSES",
    "BatchResult",
    "EngagementResult",
    "ItemResult",
    "RemoteCompany",
    "RemoteContact",
    "company_item",
    "company_path",
    "contact_item",
    "contact_path",
    "engagement_body",
    "match_item_errors",
    "normal_email",
    "normal_id",
    "parse_batch",
    "parse_company",
    "parse_contact",
    "parse_engagement",
    "parse_retry_after",
    "read_envelope",
    "subscription_item",
    "wrap_companies",
    "wrap_contacts",
]

DEFAULT_BASE_URL = "https://pub-api.conversion.ai/api/v1"
SUBSCRIPTION_STATUSES = ("SUBSCRIBED", "UNSUBSCRIBED", "PENDING")

CONTACTS_BATCH = "/contacts/batch"
SUBSCRIPTIONS_BATCH = "/contacts/batch-subscription"
ENGAGEMENTS = "/contacts/engagements"
COMPANIES_BATCH = "/companies/batch"


# Keys


def normal_email(email: str) -> str:
    """Return the one form in which emails are compared: stripped, NFC, lower case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", email.strip()).lower())


def normal_id(value: str) -> str:
    """Return the one form in which company ids are compared: stripped, NFC. Case counts."""
    return unicodedata.normalize("NFC", value.strip())


# Requests


def contact_path(email: str) -> str:
    """Return the path of one contact (documented).

    Raises:
        ValueError: the email is blank; the path would be that of the collection.
    """
    return f"/contacts/by-email/{_segment(email)}"


def company_path(id: str) -> str:
    """Return the path of one company (inferred).

    Raises:
        ValueError: the id is blank.
    """
    return f"/companies/by-external-id/{_segment(id)}"


def _segment(key: str) -> str:
    if not key.strip():
        raise ValueError("A blank key names no record.")
    # A segment of dots alone would be taken for a step in the path.
    return quote(key, safe="") if key.strip(".") else key.replace(".", "%2E")


def contact_item(
    email: str,
    variables: Mapping[str, Any] | None = None,
    external_contact: Any = None,
) -> dict[str, Any]:
    """Return one item of a contact upsert (documented). A variable that is None clears it."""
    item: dict[str, Any] = {"email": email}
    if variables:
        item["variables"] = dict(variables)
    if external_contact is not None:
        item["externalContact"] = external_contact
    return item


def company_item(
    id: str,
    base_domain: str | None = None,
    variables: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return one item of a company upsert (documented). A variable that is None clears it."""
    item: dict[str, Any] = {"id": id}
    if base_domain:
        item["baseDomain"] = base_domain
    if variables:
        item["variables"] = dict(variables)
    return item


def subscription_item(email: str, status: str) -> dict[str, Any]:
    """Return one item of a status change (inferred); one of `SUBSCRIPTION_STATUSES`."""
    return {"email": email, "subscriptionStatus": status}


def engagement_body(
    contact_email: str, name: str, description: str, data: Any = None
) -> dict[str, Any]:
    """Return the body of an engagement (fields documented; ``type`` is always ``ACTIVITY``)."""
    body: dict[str, Any] = {
        "contactEmail": contact_email,
        "type": "ACTIVITY",
        "name": name,
        "description": description,
    }
    if data is not None:
        body["data"] = data
    return body


def wrap_contacts(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the body of a contact upsert (documented) or a status change (inferred)."""
    return {"contacts": list(items)}


def wrap_companies(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the body of a company upsert (inferred)."""
    return {"companies": list(items)}


# Answers


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What came of one item. ``key`` is the caller's; ``error`` is None where it was taken."""

    key: str
    remote_id: str | None = None
    operation: str | None = None
    error: ItemError | None = None


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What came of a batch, by the caller's key. An item the API did not answer is missing."""

    items: dict[str, ItemResult] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RemoteContact:
    """A contact as the API knows it (documented)."""

    id: str | None
    email: str
    variables: dict[str, Any]
    subscription_status: str | None
    created_at: datetime | None
    external_contact: Any = None


@dataclass(frozen=True, slots=True)
class RemoteCompany:
    """A company as the API knows it (inferred). ``id`` is ours, ``remote_id`` the vendor's."""

    id: str
    remote_id: str | None
    base_domain: str | None
    variables: dict[str, Any]


@dataclass(frozen=True, slots=True)
class EngagementResult:
    """An engagement was taken; the API may or may not name it (inferred)."""

    remote_id: str | None = None


def read_envelope(
    status: int, headers: Mapping[str, str], body: bytes, endpoint: str = ""
) -> dict[str, Any]:
    """Return the envelope of a success. ``success`` decides, not the HTTP status (documented).

    Raises:
        ApiError: a failure in one of the accepted envelopes, or HTTP 401, 403 or 429 in any form.
        NoAnswer: anything else.
    """
    answer = _json(body)
    envelope = answer if isinstance(answer, dict) else {}
    success = envelope.get("success")
    if success is True and 200 <= status < 300:
        return envelope
    # The status speaks for itself, whoever gave it: the API, or a gateway before it.
    by_status = status in (401, 403, 429)
    if not (by_status or success is False or (success is None and _is_failure(status, envelope))):
        raise NoAnswer(_why_unusable(answer, body), status=status, endpoint=endpoint)
    raise _failure(status, headers, envelope, endpoint)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _is_failure(status: int, envelope: Mapping[str, Any]) -> bool:
    """Tell whether an answer without ``success`` is one of the accepted failures."""
    error = envelope.get("error")
    if (isinstance(error, str) and error) or (isinstance(error, Mapping) and error):
        named = isinstance(error, Mapping) and isinstance(error.get("code"), str)
    elif status >= 400 and isinstance(envelope.get("message"), str):
        named = isinstance(envelope.get("code"), str)
    else:
        return status >= 400 and isinstance(envelope.get("code"), str)
    # A 502 or 504 without a code is a gateway's word: the API behind it may have done the work.
    return named or status not in (502, 504)


def _why_unusable(answer: Any, body: bytes) -> str:
    if not body:
        return "The answer is empty."
    if body.lstrip()[:1] == b"<":
        return "The answer is a page, not JSON."
    if answer is None:
        return "The answer is not valid JSON."
    return "The answer is not in the API's envelope."


def _failure(
    status: int, headers: Mapping[str, str], envelope: Mapping[str, Any], endpoint: str
) -> ApiError:
    error = envelope.get("error")
    inner: Mapping[str, Any] = error if isinstance(error, Mapping) else {}
    code = _code(inner.get("code")) or _code(envelope.get("code"))
    message = _text(inner.get("message")) or _text(envelope.get("message"))
    if isinstance(error, str):
        if not code and re.fullmatch(r"[A-Z]+(_[A-Z]+)+", error):
            code = error
        message = message or _text(error)
    code = code or code_for_status(status)
    error_class = api_error_class(code, status)
    if status in (401, 429):
        code = error_class.default_code
    details = next(
        (
            found
            for holder in (inner, envelope)
            for name in ("details", "errors")
            if (found := holder.get(name)) is not None
        ),
        None,
    )
    return error_class(
        message or f"The API answered HTTP {status}.",
        code=code,
        status=status,
        endpoint=endpoint,
        details=details,
        retry_after=parse_retry_after(headers.get("Retry-After")),
        items=_item_errors(details),
    )


def _code(value: Any) -> str:
    """Return a code as documented where it is one of those in any case, else as it came."""
    code = value.strip() if isinstance(value, str) else ""
    return code.upper() if is_documented(code.upper()) else code


def _text(value: Any) -> str:
    """Return a message on one line, or "" where it is no text."""
    return " ".join(value.split()) if isinstance(value, str) else ""


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds to wait, from seconds or an HTTP date; None for garbage or the past.

    A huge value stays huge; the caller caps it.
    """
    text = (value or "").strip()
    if re.fullmatch(r"\d{1,15}(\.\d{1,6})?", text, re.ASCII):
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    seconds = (when - (now or datetime.now(UTC))).total_seconds()
    return seconds if seconds >= 0 else None


_INDEX = re.compile(r"\[(\d{1,6})\]|\b(?:contacts|companies)[./](\d{1,6})\b")


def _item_errors(details: Any) -> list[ItemError]:
    """Return those details which name items, in whichever of the usual forms they come."""
    if isinstance(details, Mapping):
        nested = [value for value in details.values() if isinstance(value, list)]
        if len(details) == 1 and nested:
            details = nested[0]
        else:
            details = [_keyed(name, value) for name, value in details.items()]
    if not isinstance(details, list):
        return []
    errors = (_item_error(entry) for entry in details)
    return [error for error in errors if error.index is not None or error.key is not None]


def _keyed(name: str, value: Any) -> Any:
    """Return ``{"3": …}``, ``{"contacts[3].email": …}`` or ``{"a@x": …}`` as an entry."""
    entry = dict(value) if isinstance(value, Mapping) else {"message": value}
    if re.fullmatch(r"\d{1,6}", name, re.ASCII):
        entry.setdefault("index", int(name))
    elif _INDEX.search(name):
        entry.setdefault("path", name)
    else:
        entry.setdefault("key", name)
    return entry


def _item_error(entry: Any) -> ItemError:
    if not isinstance(entry, Mapping):
        return ItemError(_index_in(entry), None, "", _text(entry))
    error = entry.get("error")
    inner: Mapping[str, Any] = error if isinstance(error, Mapping) else {}
    index = entry.get("index")
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        index = next(
            (
                found
                for name in ("path", "field", "loc", "property")
                if (found := _index_in(entry.get(name))) is not None
            ),
            None,
        )
    key = next(
        (
            str(value)
            for name in ("email", "contactEmail", "id", "key")
            if _is_key(value := entry.get(name))
        ),
        None,
    )
    return ItemError(
        index=index,
        key=key,
        code=_code(entry.get("code")) or _code(inner.get("code")),
        message=_text(entry.get("message")) or _text(inner.get("message")) or _text(error),
    )


def _is_key(value: Any) -> bool:
    """Tell whether a value can name something: text, or a number that is not a truth value."""
    return (isinstance(value, str) and value != "") or (
        isinstance(value, int) and not isinstance(value, bool)
    )


def _index_in(path: Any) -> int | None:
    """Return the position named by ``contacts[3].email`` or ``["contacts", 3, "email"]``."""
    if isinstance(path, str) and (match := _INDEX.search(path)):
        return int(match[1] or match[2])
    if isinstance(path, list):
        return next(
            (part for part in path if isinstance(part, int) and not isinstance(part, bool)), None
        )
    return None


def match_item_errors(
    errors: Iterable[ItemError], keys: Sequence[str], normal: Callable[[str], str]
) -> list[ItemError]:
    """Return the errors that name items of this batch, under the caller's keys and positions.

    A key is believed over a position, which may count from 1; what matches nothing is dropped.
    """
    position = {normal(key): index for index, key in enumerate(keys)}
    matched = []
    for error in errors:
        index = position.get(normal(error.key)) if error.key is not None else None
        if index is None and error.index is not None and 0 <= error.index < len(keys):
            index = error.index
        if index is not None:
            matched.append(ItemError(index, keys[index], error.code, error.message))
    return matched


def parse_batch(
    envelope: Mapping[str, Any],
    keys: Sequence[str],
    *,
    key_name: str,
    id_names: Sequence[str],
    normal: Callable[[str], str],
) -> BatchResult:
    """Return what the API says of each item (contacts documented, others inferred).

    The list may be short, reordered or repeated: items are matched by ``normal`` of ``key_name``,
    strangers are ignored, and an error in any repeat wins.
    """
    callers: dict[str, list[tuple[int, str]]] = {}
    for index, key in enumerate(keys):
        callers.setdefault(normal(key), []).append((index, key))
    results: dict[str, ItemResult] = {}
    data = envelope.get("data")
    for entry in data if isinstance(data, list) else ():
        if not isinstance(entry, Mapping) or not _is_key(entry.get(key_name)):
            continue
        for index, key in callers.get(normal(str(entry[key_name])), ()):
            result = _item_result(entry, index, key, id_names)
            before = results.get(key)
            if before is None or (result.error and not before.error):
                results[key] = result
    return BatchResult(results)


def _item_result(
    entry: Mapping[str, Any], index: int, key: str, id_names: Sequence[str]
) -> ItemResult:
    error = entry.get("error")
    if entry.get("success", True) is not True or error:
        found = _item_error(entry)
        reason = ItemError(
            index, key, found.code or "ITEM_ERROR", found.message or "The API refused this item."
        )
        return ItemResult(key, error=reason)
    operation = entry.get("operation")
    return ItemResult(
        key,
        remote_id=_first_id(entry, id_names),
        operation=operation if operation in ("created", "updated") else None,
    )


def _first_id(holder: Mapping[str, Any], names: Sequence[str]) -> str | None:
    return next((str(value) for name in names if _is_key(value := holder.get(name))), None)


def parse_contact(envelope: Mapping[str, Any], email: str) -> RemoteContact:
    """Return the contact (documented).

    Raises:
        NoAnswer: the answer holds no contact, or another one than was asked for.
    """
    data = _record(envelope)
    found = data.get("email")
    if isinstance(found, str) and found and normal_email(found) != normal_email(email):
        raise NoAnswer("The answer is about another contact.")
    status = data.get("subscriptionStatus")
    return RemoteContact(
        id=_first_id(data, ("id", "contactId")),
        email=found if isinstance(found, str) and found else email,
        variables=_variables(data),
        subscription_status=status.strip().upper() if isinstance(status, str) else None,
        created_at=_time(data.get("createdAt")),
        external_contact=data.get("externalContact"),
    )


def parse_company(envelope: Mapping[str, Any], id: str) -> RemoteCompany:
    """Return the company (inferred: ``id`` is taken for ours where it equals ours).

    Raises:
        NoAnswer: the answer holds no company, or another one than was asked for.
    """
    data = _record(envelope)
    ours = _first_id(data, ("externalId",))
    if ours is not None and normal_id(ours) != normal_id(id):
        raise NoAnswer("The answer is about another company.")
    remote_id = _first_id(data, ("companyId",))
    other = _first_id(data, ("id",))
    if remote_id is None and other is not None and normal_id(other) != normal_id(id):
        remote_id = other
    domain = data.get("baseDomain")
    return RemoteCompany(
        id=id,
        remote_id=remote_id,
        base_domain=domain if isinstance(domain, str) else None,
        variables=_variables(data),
    )


def parse_engagement(envelope: Mapping[str, Any]) -> EngagementResult:
    """Return the vendor's id, where there is one (inferred); success alone is enough."""
    data = envelope.get("data")
    holder = data if isinstance(data, Mapping) else {}
    return EngagementResult(_first_id(holder, ("id", "engagementId")))


def _record(envelope: Mapping[str, Any]) -> Mapping[str, Any]:
    data = envelope.get("data")
    if not isinstance(data, Mapping):
        raise NoAnswer("The answer holds no record.")
    return data


def _variables(data: Mapping[str, Any]) -> dict[str, Any]:
    variables = data.get("variables")
    return dict(variables) if isinstance(variables, Mapping) else {}


def _time(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
