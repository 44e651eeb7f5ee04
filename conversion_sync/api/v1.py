"""The seed's generation of the API: our own words into requests, its answers into results.

Nothing else knows its words, but for its envelope (`conversion_sync.api.envelope`). Shapes that the
vendor documents are marked *documented*; the others are *inferred* from them. Answers are read
leniently: unknown keys are ignored, a missing optional key is no error, and only what matches an
item of the request is believed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

from conversion_sync.api.batch import parse_batch
from conversion_sync.api.capabilities import Capabilities
from conversion_sync.api.envelope import read_envelope
from conversion_sync.api.errors import NoAnswer
from conversion_sync.api.inputs import (
    UNSAID,
    CompanyRecord,
    ContactRecord,
    EngagementRecord,
    StatusChange,
)
from conversion_sync.api.keys import normal_email, normal_id
from conversion_sync.api.lenient import first_id
from conversion_sync.api.request import Envelope, Request
from conversion_sync.api.results import (
    BatchResult,
    EngagementResult,
    RemoteCompany,
    RemoteContact,
)

__all__ = [
    "BASE_URL",
    "CAPABILITIES",
    "KEY_HEADER",
    "NAME",
    "SUBSCRIPTION_STATUSES",
    "company_item",
    "contact_item",
    "delete_company",
    "delete_contact",
    "engagement_body",
    "get_company",
    "get_contact",
    "parse_company",
    "parse_contact",
    "parse_engagement",
    "read_company_item",
    "read_contact_item",
    "read_envelope",
    "set_subscriptions",
    "subscription_item",
    "track_engagement",
    "upsert_companies",
    "upsert_contacts",
]

T = TypeVar("T")

NAME = "v1"
BASE_URL = "https://pub-api.conversion.ai/api/v1"

#: The header that carries the API key, and what stands before the key in it (documented).
KEY_HEADER = ("Authorization", "Bearer ")

#: The variable of a contact that is its company's.
COMPANY_NAME = "company_name"

SUBSCRIPTION_STATUSES = ("SUBSCRIBED", "UNSUBSCRIBED", "PENDING")

#: The sizes are not documented: they are those of a later page of the same vendor.
CAPABILITIES = Capabilities(
    get=True,
    delete=True,
    subscription_call=True,
    idempotent_events=False,
    rename=False,
    records_per_call=200,
    events_per_call=1,
)


# Requests


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


def contact_item(record: ContactRecord) -> dict[str, Any]:
    """Return one item of a contact upsert (documented). A null clears (assumed).

    A contact knows no more of its company than the name, which is a variable.
    """
    item: dict[str, Any] = {"email": record.email}
    variables = dict(record.variables)
    if COMPANY_NAME in record.company:
        variables[COMPANY_NAME] = record.company[COMPANY_NAME]
    if variables:
        item["variables"] = variables
    if record.external_contact is not UNSAID:
        item["externalContact"] = record.external_contact
    return item


def company_item(record: CompanyRecord) -> dict[str, Any]:
    """Return one item of a company upsert (documented). A null clears (assumed)."""
    item: dict[str, Any] = {"id": record.id}
    if record.base_domain is not UNSAID:
        item["baseDomain"] = record.base_domain
    if record.variables:
        item["variables"] = dict(record.variables)
    return item


def read_contact_item(item: Mapping[str, Any]) -> ContactRecord:
    """Return what an item of a contact upsert says: what `contact_item` has made of it."""
    variables = _variables(item)
    company = {COMPANY_NAME: variables.pop(COMPANY_NAME)} if COMPANY_NAME in variables else {}
    return ContactRecord(
        str(item.get("email") or ""), variables, item.get("externalContact", UNSAID), company
    )


def read_company_item(item: Mapping[str, Any]) -> CompanyRecord:
    """Return what an item of a company upsert says: what `company_item` has made of it."""
    return CompanyRecord(
        str(item.get("id") or ""), item.get("baseDomain", UNSAID), _variables(item)
    )


def subscription_item(change: StatusChange) -> dict[str, Any]:
    """Return one item of a status change (inferred); one of `SUBSCRIPTION_STATUSES`."""
    return {"email": change.email, "subscriptionStatus": change.status}


def engagement_body(record: EngagementRecord) -> dict[str, Any]:
    """Return the body of an engagement (fields documented; ``type`` is always ``ACTIVITY``)."""
    body: dict[str, Any] = {
        "contactEmail": record.contact_email,
        "type": "ACTIVITY",
        "name": record.name,
        "description": record.description,
    }
    if record.data is not None:
        body["data"] = record.data
    return body


# Answers


def _nothing(envelope: Envelope) -> None:
    """Read no more than the success of an envelope."""


def parse_contact(envelope: Envelope, email: str) -> RemoteContact:
    """Return the contact (documented).

    Raises:
        NoAnswer: the answer holds no contact, or another one than was asked for.
    """
    data = _record(envelope)
    found = data.get("email")
    if isinstance(found, str) and found and normal_email(found) != normal_email(email):
        raise NoAnswer("The answer is about another contact.")
    status = data.get("subscriptionStatus")
    # Whatever else than nothing it is has to be told from nothing.
    word = "" if status is None else str(status).strip().upper()
    return RemoteContact(
        id=first_id(data, ("id", "contactId")),
        email=found if isinstance(found, str) and found else email,
        variables=_variables(data),
        subscription_status=word or None,
        created_at=_time(data.get("createdAt")),
        external_contact=data.get("externalContact"),
    )


def parse_company(envelope: Envelope, id: str) -> RemoteCompany:
    """Return the company (inferred: ``id`` is taken for ours where it equals ours).

    Raises:
        NoAnswer: the answer holds no company, or another one than was asked for.
    """
    data = _record(envelope)
    ours = first_id(data, ("externalId",))
    if ours is not None and normal_id(ours) != normal_id(id):
        raise NoAnswer("The answer is about another company.")
    remote_id = first_id(data, ("companyId",))
    other = first_id(data, ("id",))
    if remote_id is None and other is not None and normal_id(other) != normal_id(id):
        remote_id = other
    domain = data.get("baseDomain")
    return RemoteCompany(
        id=id,
        remote_id=remote_id,
        base_domain=domain if isinstance(domain, str) else None,
        variables=_variables(data),
    )


def parse_engagement(envelope: Envelope) -> EngagementResult:
    """Return the vendor's id, where there is one (inferred); success alone is enough."""
    data = envelope.get("data")
    holder = data if isinstance(data, Mapping) else {}
    return EngagementResult(first_id(holder, ("id", "engagementId")))


def _record(envelope: Envelope) -> Mapping[str, Any]:
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
