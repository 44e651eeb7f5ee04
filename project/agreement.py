"""Whether the sandbox holds, record by record, what the database holds.

Written from the models and the API's description, without the code that sends: what that code
gets wrong must show here.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from conversion_sync.models import Company, Contact, Engagement
from conversion_sync.sandbox.store import Store

__all__ = ["differences"]

Record = dict[str, Any]


def differences(sandbox: Store) -> list[str]:
    """Return what differs between the database and the sandbox's records; nothing if they agree."""
    return [
        *compare("contact", expected_contacts(), sandbox.contacts),
        *compare("company", expected_companies(), sandbox.companies),
        *compare_engagements(sandbox.engagements),
    ]


def compare(
    kind: str, expected: Mapping[str, Record], arrived: Mapping[str, Record]
) -> Iterator[str]:
    """Say what differs between the records of one kind, by key."""
    for key in sorted(expected.keys() | arrived.keys()):
        if key not in arrived:
            yield f"{kind} {key!r} did not arrive"
        elif key not in expected:
            yield f"{kind} {key!r} is in the sandbox alone"
        else:
            for name, value in expected[key].items():
                found = arrived[key].get(name)
                if name == "variables":
                    found = spoken(found or {})
                if found != value:
                    yield f"{kind} {key!r}: {name} is {found!r}, not {value!r}"


def spoken(variables: Mapping[str, Any]) -> Record:
    """Return the variables that say something; a blank one is never sent."""
    return {name: value for name, value in variables.items() if value is not None and value != ""}


def key_of(contact: Contact) -> str:
    """Return the email in the form in which the API compares it."""
    return unicodedata.normalize("NFC", contact.email.strip().lower())


def expected_contacts() -> dict[str, Record]:
    """Return the contacts of the database as the API should show them.

    What this site leaves blank is not its to say, so it is not expected.
    """
    expected = {}
    for row in Contact.objects.select_related("company"):
        variables = {
            **row.custom_variables,
            "first_name": row.first_name,
            "last_name": row.last_name,
            "phone": row.phone,
            "title": row.title,
            "linkedin_url": row.linkedin_url,
            "company_name": row.company.company_name if row.company else "",
        }
        record: Record = {"variables": spoken(variables)}
        if row.external_contact:
            record["externalContact"] = row.external_contact
        if row.subscription_status:
            record["subscriptionStatus"] = row.subscription_status
        expected[key_of(row)] = record
    return expected


def expected_companies() -> dict[str, Record]:
    """Return the companies of the database as the API should show them."""
    expected = {}
    for row in Company.objects.all():
        variables = {
            **row.custom_variables,
            "company_name": row.company_name,
            "industry": row.industry,
            "size": row.size,
            "annual_revenue": row.annual_revenue,
            "location": row.location,
            "website": row.website,
        }
        record: Record = {"variables": spoken(variables)}
        if row.base_domain:
            record["baseDomain"] = row.base_domain
        expected[row.external_id] = record
    return expected


def compare_engagements(arrived: list[Record]) -> Iterator[str]:
    """Say which engagements are missing, and which are in the sandbox too often."""
    rows = Engagement.objects.select_related("contact")
    expected = Counter(
        canonical(
            key_of(row.contact),
            row.name,
            row.description,
            {**row.data, "occurred_at": row.occurred_at},
        )
        for row in rows
    )
    found = Counter(
        canonical(
            item["contactEmail"],
            item["name"],
            item["description"],
            {**item["data"], "occurred_at": datetime.fromisoformat(item["data"]["occurred_at"])},
        )
        for item in arrived
    )
    for engagement, count in (expected - found).items():
        yield f"an engagement is missing ({count}): {engagement}"
    for engagement, count in (found - expected).items():
        yield f"an engagement is in the sandbox alone, or too often ({count}): {engagement}"


def canonical(email: str, name: str, description: str, data: Record) -> str:
    """Return an engagement as one text, equal for equal ones."""
    when: datetime = data["occurred_at"]
    values = [email, name, description, {**data, "occurred_at": when.astimezone(UTC).isoformat()}]
    return json.dumps(values, sort_keys=True, ensure_ascii=False)
