"""Our own words into the items and bodies of requests, and items back into our own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conversion_sync.api.inputs import (
    UNSAID,
    CompanyRecord,
    ContactRecord,
    EngagementRecord,
    StatusChange,
)
from conversion_sync.api.v1.answers import variables_of
from conversion_sync.api.v1.words import COMPANY_NAME

__all__ = [
    "company_item",
    "contact_item",
    "engagement_body",
    "read_company_item",
    "read_contact_item",
    "subscription_item",
]


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
    variables = variables_of(item)
    company = {COMPANY_NAME: variables.pop(COMPANY_NAME)} if COMPANY_NAME in variables else {}
    return ContactRecord(
        str(item.get("email") or ""), variables, item.get("externalContact", UNSAID), company
    )


def read_company_item(item: Mapping[str, Any]) -> CompanyRecord:
    """Return what an item of a company upsert says: what `company_item` has made of it."""
    return CompanyRecord(
        str(item.get("id") or ""), item.get("baseDomain", UNSAID), variables_of(item)
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
