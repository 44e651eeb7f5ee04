"""Whether the sandbox holds, record by record, what the database holds.

Written from the models and the API's description, without the code that sends: what that code
gets wrong must show here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from conversion_sync.api.keys import normal_email
from conversion_sync.models import Company, Contact, Deletion, Engagement
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
    return normal_email(contact.email)


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


def compare_engagements(arrived: Sequence[Record]) -> Iterator[str]:
    """Say which engagements are missing, and which are in the sandbox too often.

    What was tracked stays with the address that its contact had then: one that was changed here
    since, or whose contact was deleted, is no difference.
    """
    gone = set(Deletion.objects.filter(kind=Deletion.Kind.CONTACT).values_list("key", flat=True))
    found = Counter(
        (item["contactEmail"], canonical(item["name"], item["description"], item["data"]))
        for item in arrived
    )
    rows = Engagement.objects.select_related("contact").prefetch_related("contact__predecessors")
    for row in rows:
        data = {**row.data, "occurred_at": row.occurred_at.isoformat()}
        text = canonical(row.name, row.description, data)
        keys = [key_of(row.contact), *(old.key for old in row.contact.predecessors.all())]
        for key in keys:
            if found[key, text] > 0:
                found[key, text] -= 1
                break
        else:
            yield f"an engagement of {keys[0]!r} is missing: {text}"
    for (key, text), count in found.items():
        if count > 0 and key not in gone:
            yield (
                f"an engagement of {key!r} is in the sandbox alone, or too often ({count}): {text}"
            )


def canonical(name: str, description: str, data: Any) -> str:
    """Return what an engagement says as one text, equal for equal ones."""
    if isinstance(data, Mapping) and (when := data.get("occurred_at")):
        moment = datetime.fromisoformat(when).astimezone(UTC)
        data = {**data, "occurred_at": moment.isoformat()}
    return json.dumps([name, description, data], sort_keys=True, ensure_ascii=False)
