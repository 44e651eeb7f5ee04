"""The calls of this generation, as requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

from conversion_sync.api.batch import parse_batch
from conversion_sync.api.inputs import CompanyRecord, ContactRecord, EngagementRecord, StatusChange
from conversion_sync.api.keys import normal_email, normal_id
from conversion_sync.api.request import Envelope, Request
from conversion_sync.api.results import BatchResult, EngagementResult, RemoteCompany, RemoteContact
from conversion_sync.api.v1.answers import parse_company, parse_contact, parse_engagement
from conversion_sync.api.v1.items import (
    company_item,
    contact_item,
    engagement_body,
    subscription_item,
)

__all__ = [
    "delete_company",
    "delete_contact",
    "get_company",
    "get_contact",
    "set_subscriptions",
    "track_engagement",
    "upsert_companies",
    "upsert_contacts",
]

T = TypeVar("T")


def upsert_contacts(items: Sequence[ContactRecord]) -> Request[BatchResult]:
    """Create or update contacts (documented). Results are keyed by the items' emails.

    Raises:
        ValueError, TypeError: an item can't be written as JSON.
    """
    path = "/contacts/batch"
    body = {"contacts": [contact_item(item) for item in items]}
    return _contacts_batch(path, body, [item.email for item in items])


def get_contact(email: str) -> Request[RemoteContact]:
    """Read one contact (documented).

    Raises:
        ValueError: the email is blank; the path would be that of the collection.
    """
    read = partial(parse_contact, email=email)
    return _of_record("GET", "/contacts/by-email", email, read)


def delete_contact(email: str) -> Request[None]:
    """Delete one contact (documented).

    Raises:
        ValueError: the email is blank.
    """
    return _of_record("DELETE", "/contacts/by-email", email, _nothing)


def set_subscriptions(items: Sequence[StatusChange]) -> Request[BatchResult]:
    """Set subscription statuses (inferred). Results are keyed by the items' emails."""
    path = "/contacts/batch-subscription"
    body = {"contacts": [subscription_item(item) for item in items]}
    return _contacts_batch(path, body, [item.email for item in items])


def track_engagement(item: EngagementRecord) -> Request[EngagementResult]:
    """Record an engagement (documented). Sent again, it is a second engagement.

    Raises:
        ValueError, TypeError: its data can't be written as JSON.
    """
    path = "/contacts/engagements"
    return Request("POST", path, f"POST {path}", parse_engagement, engagement_body(item))


def upsert_companies(items: Sequence[CompanyRecord]) -> Request[BatchResult]:
    """Create or update companies (inferred). Results are keyed by the items' ids.

    Raises:
        ValueError, TypeError: an item can't be written as JSON.
    """
    path = "/companies/batch"
    body = {"companies": [company_item(item) for item in items]}
    return _batch(path, body, [item.id for item in items], "id", ("companyId",), normal_id)


def get_company(id: str) -> Request[RemoteCompany]:
    """Read one company by this site's own id (inferred).

    Raises:
        ValueError: the id is blank.
    """
    return _of_record("GET", "/companies/by-external-id", id, partial(parse_company, id=id))


def delete_company(id: str) -> Request[None]:
    """Delete one company by this site's own id (inferred).

    Raises:
        ValueError: the id is blank.
    """
    return _of_record("DELETE", "/companies/by-external-id", id, _nothing)


def _of_record(method: str, collection: str, key: str, read: Callable[[Envelope], T]) -> Request[T]:
    return Request(method, f"{collection}/{_segment(key)}", f"{method} {collection}", read)


def _contacts_batch(
    path: str, body: Mapping[str, Any], emails: Sequence[str]
) -> Request[BatchResult]:
    return _batch(path, body, emails, "email", ("contactId", "id"), normal_email)


def _batch(
    path: str,
    body: Mapping[str, Any],
    keys: Sequence[str],
    key_name: str,
    id_names: Sequence[str],
    normal_key: Callable[[str], str],
) -> Request[BatchResult]:
    return Request(
        "POST",
        path,
        f"POST {path}",
        partial(parse_batch, keys=keys, key_name=key_name, id_names=id_names, normal=normal_key),
        body,
        rows=len(keys),
        keys=keys,
        normal_key=normal_key,
    )


def _segment(key: str) -> str:
    """Return a key as one step of a path."""
    if not key.strip():
        raise ValueError("A blank key names no record.")
    # A segment of dots alone would be taken for a step in the path.
    return quote(key, safe="") if key.strip(".") else key.replace(".", "%2E")


def _nothing(envelope: Envelope) -> None:
    """Read no more than the success of an envelope."""
