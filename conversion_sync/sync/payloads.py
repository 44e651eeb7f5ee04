"""From a row to what is sent of it; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from conversion_sync.api import wire
from conversion_sync.models import Company, Contact, Engagement, SubscriptionChange

__all__ = [
    "company_payload",
    "confirmed",
    "contact_payload",
    "engagement_payload",
    "subscription_payload",
]

Payload = dict[str, Any]


def contact_payload(contact: Contact) -> Payload:
    """What a push of the contact carries: what it has, and null for what it no longer has.

    Raises:
        ValidationError: the API would refuse it.
    """
    validate_email(contact.key)
    variables = _filled(contact.custom_variables) | _filled(
        {name: getattr(contact, name) for name in Contact.COMMON if name != "company_name"}
        | {"company_name": contact.company.company_name if contact.company else ""}
    )
    item = wire.contact_item(contact.key, variables, contact.external_contact or None)
    return _with_nulls(item, contact.sent_payload)


def company_payload(company: Company) -> Payload:
    """What a push of the company carries: what it has, and null for what it no longer has.

    Raises:
        ValidationError: the API would refuse it.
    """
    if not company.key:
        raise ValidationError("The external id is blank.")
    variables = _filled(company.custom_variables) | _filled(
        {name: getattr(company, name) for name in Company.COMMON}
    )
    item = wire.company_item(company.key, company.base_domain, variables)
    return _with_nulls(item, company.sent_payload)


def subscription_payload(change: SubscriptionChange) -> Payload:
    """What the change of a subscription carries."""
    return wire.subscription_item(change.address, change.status)


def engagement_payload(engagement: Engagement) -> Payload:
    """What an engagement carries; when it occurred goes into its data.

    Raises:
        ValidationError: the API would refuse it.
    """
    for name in ("name", "description"):
        if not getattr(engagement, name).strip():
            raise ValidationError(f"The {name} is blank.")
    data = _filled(engagement.data) | {"occurred_at": engagement.occurred_at.isoformat()}
    return wire.engagement_body(
        engagement.contact.key, engagement.name, engagement.description, data
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
