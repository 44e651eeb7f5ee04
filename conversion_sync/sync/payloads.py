"""From a row to what is sent of it; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError

from conversion_sync.api import (
    UNSAID,
    CompanyRecord,
    ContactRecord,
    EngagementRecord,
    ErrorCode,
    StatusChange,
    v1,
)
from conversion_sync.models import Company, Contact, Engagement, SubscriptionChange
from conversion_sync.models.fields.times import instant
from conversion_sync.models.storable import REPLACEMENT
from conversion_sync.models.validators import validate_address

__all__ = [
    "company_payload",
    "company_record",
    "confirmed",
    "contact_payload",
    "contact_record",
    "engagement_payload",
    "engagement_record",
    "status_change",
    "subscription_payload",
]

Payload = dict[str, Any]


def contact_payload(contact: Contact) -> Payload:
    """What a push of the contact carries: what it has, and null for what it no longer has.

    Raises:
        ValidationError: the API would refuse it.
    """
    key = contact.wanted_key
    validate_address(key)
    variables = _filled(contact.custom_variables) | _filled(
        {name: getattr(contact, name) for name in Contact.COMMON if name != "company_name"}
        | {"company_name": _company_name(contact)}
    )
    item = v1.contact_item(ContactRecord(key, variables, contact.external_contact or UNSAID))
    return _with_nulls(item, contact.sent_payload)


def _company_name(contact: Contact) -> str:
    """The name of its company; the one that was sent, while something else stands in that name."""
    company = contact.company
    if company is None:
        return ""
    if REPLACEMENT in company.company_name and company.last_error_code == ErrorCode.UNSTORABLE:
        sent = (contact.sent_payload or {}).get("variables") or {}
        return str(sent.get("company_name") or "")
    return company.company_name


def company_payload(company: Company) -> Payload:
    """What a push of the company carries: what it has, and null for what it no longer has.

    Raises:
        ValidationError: the API would refuse it.
    """
    if not (key := company.wanted_key):
        raise ValidationError("The external id is blank.")
    variables = _filled(company.custom_variables) | _filled(
        {name: getattr(company, name) for name in Company.COMMON}
    )
    item = v1.company_item(CompanyRecord(key, company.base_domain or UNSAID, variables))
    return _with_nulls(item, company.sent_payload)


def subscription_payload(change: SubscriptionChange) -> Payload:
    """What the change of a subscription carries."""
    return v1.subscription_item(StatusChange(change.address, change.status))


def engagement_payload(engagement: Engagement) -> Payload:
    """What an engagement carries; when it occurred goes into its data.

    Raises:
        ValidationError: the API would refuse it.
    """
    for name in ("name", "description"):
        if not getattr(engagement, name).strip():
            raise ValidationError(f"The {name} is blank.")
    data = _filled(engagement.data) | {"occurred_at": instant(engagement.occurred_at).isoformat()}
    return v1.engagement_body(
        EngagementRecord(
            engagement.contact.wanted_key, engagement.name, engagement.description, data
        )
    )


def contact_record(payload: Payload) -> ContactRecord:
    """What the payload says of a contact."""
    return ContactRecord(
        payload["email"], payload.get("variables", {}), payload.get("externalContact", UNSAID)
    )


def company_record(payload: Payload) -> CompanyRecord:
    """What the payload says of a company."""
    return CompanyRecord(
        payload["id"], payload.get("baseDomain", UNSAID), payload.get("variables", {})
    )


def status_change(payload: Payload) -> StatusChange:
    """What the payload says of a subscription."""
    return StatusChange(payload["email"], payload["subscriptionStatus"])


def engagement_record(payload: Payload) -> EngagementRecord:
    """What the payload says of an engagement."""
    return EngagementRecord(
        payload["contactEmail"], payload["name"], payload["description"], payload.get("data")
    )


def confirmed(payload: Payload) -> Payload:
    """What the API has now: a null is done once it is confirmed."""
    kept = {name: value for name, value in payload.items() if value is not None}
    if "variables" in kept:
        kept["variables"] = {n: v for n, v in kept["variables"].items() if v is not None}
    return kept


def _filled(values: Mapping[str, Any]) -> Payload:
    return {name: value for name, value in values.items() if value not in (None, "")}


def _with_nulls(item: Payload, previous: Mapping[str, Any] | None) -> Payload:
    """A blank that was never pushed is not sent: it would wipe what the vendor knows."""
    previous = previous or {}
    gone = [
        name for name in previous.get("variables") or {} if name not in item.get("variables", {})
    ]
    if gone:
        item["variables"] = item.get("variables", {}) | dict.fromkeys(gone)
    item |= {name: None for name in previous if name not in item and name != "variables"}
    return item
