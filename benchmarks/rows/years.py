"""All rows of a site after some years."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from benchmarks.rows.states import DAY, NOW, created_at, dice, record_of, state_of
from benchmarks.rows.tables import analyse, insert
from conversion_sync.models import (
    ApiCall,
    Company,
    Contact,
    Deletion,
    Engagement,
    SubscriptionChange,
)

__all__ = ["engagement", "fill"]

SAMPLES = Path(__file__).resolve().parents[2] / "project" / "sample_data"

#: Rows of each kind for one contact.
SHARES = {
    Company: 0.1,
    Contact: 1.0,
    SubscriptionChange: 0.3,
    Engagement: 1.0,
    Deletion: 0.02,
    ApiCall: 0.3,
}


def fill(start: int, end: int) -> None:
    """Write the contacts with the numbers from ``start`` to ``end``, and what belongs to them."""
    makers = {
        Company: _company,
        Contact: _contact,
        SubscriptionChange: _change,
        Engagement: engagement,
        Deletion: _deletion,
        ApiCall: _call,
    }
    for model, share in SHARES.items():
        numbers = range(int(start * share) + 1, int(end * share) + 1)
        make, last = makers[model], int(end * share)
        insert(model, (make(number, last) for number in numbers))
    analyse()


def _people() -> list[dict[str, str]]:
    with (SAMPLES / "contacts.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


PEOPLE = _people()


def _company(number: int, last: int) -> dict[str, Any]:
    values = {
        "company_name": f"{PEOPLE[dice(number, 9) % len(PEOPLE)]['last_name']} & {number % 977}",
        "industry": ("Software", "Retail", "Banking", "")[number % 4],
        "size": "51-200",
        "location": "Vienna",
        "website": f"https://www.company-{number}.example/",
    }
    key = f"C-{number:07d}"
    return {
        "id": number,
        "external_id": key,
        "base_domain": f"company-{number}.example",
        "annual_revenue": None,
        "custom_variables": "{}",
        **values,
        **record_of(key, state_of(Company, number, last), values),
    }


def _contact(number: int, last: int) -> dict[str, Any]:
    person, roll = PEOPLE[dice(number, 9) % len(PEOPLE)], dice(number, 3)
    name = person["email"].partition("@")[0]
    email = f"{name}.{number}@company-{number // 10 + 1}.example"
    values = {
        "first_name": person["first_name"],
        "last_name": person["last_name"] if dice(number, 4) > 50_000 else "",
        "phone": person["phone"],
        "title": person["title"],
        "linkedin_url": f"https://www.linkedin.com/in/{name}-{number}",
    }
    status = "" if roll < 300_000 else "SUBSCRIBED"
    if roll >= 900_000:
        status = "UNSUBSCRIBED" if roll < 999_000 else "PENDING"
    variables = {"lead_score": number % 100, "segment": "b"}
    return {
        "id": number,
        "email": email,
        "company_id": (number * 7919) % max(1, last // 10) + 1 if number % 5 else None,
        "subscription_status": status,
        "external_contact": "{}",
        "custom_variables": json.dumps(variables),
        "remote_created_at": None,
        **values,
        **record_of(email, state_of(Contact, number, last), values | variables),
    }


def _change(number: int, last: int) -> dict[str, Any]:
    contact = int(number / SHARES[SubscriptionChange])
    out = dice(number, 5) < 200_000
    return {
        "id": number,
        "contact_id": contact,
        "address": _contact(contact, contact)["key"],
        "status": "UNSUBSCRIBED" if out else "SUBSCRIBED",
        "previous_status": "SUBSCRIBED" if out else "",
        "requested_by": "mia",
        "source": ("admin", "import", "newsletter form")[number % 3],
        "reason": "",
        "override": False,
        **state_of(SubscriptionChange, number, last),
    }


def engagement(number: int, last: int) -> dict[str, Any]:
    return {
        "id": number,
        "contact_id": (number * 7919) % last + 1,
        "name": ("Sales call", "Webinar attended", "Demo", "Form sent")[number % 4],
        "description": "We talked about what is next.",
        "occurred_at": created_at(number, last) - DAY * (number % 30),
        "data": '{"duration_minutes": 30, "outcome": "positive"}',
        "source_key": f"E-{number:09d}" if number % 2 else None,
        **state_of(Engagement, number, last),
    }


def _deletion(number: int, last: int) -> dict[str, Any]:
    return {
        "id": number,
        "kind": "contact",
        "key": f"gone.{number}@company-{number}.example",
        "spelling": "",
        "successor_id": None,
        "only_asks": False,
        "requested_by": "mia",
        **state_of(Deletion, number, last),
    }


def _call(number: int, last: int) -> dict[str, Any]:
    """A third of the calls in the last day, the others in the month before."""
    part = number / last
    age = 30 * DAY - 29 * DAY * part * 1.5 if part < 2 / 3 else DAY * (1 - part) * 3
    roll = dice(number)
    error = roll < 10_000
    return {
        "id": number,
        "endpoint": ("POST /contacts/batch", "POST /contacts/engagements")[number % 2],
        "rows": number % 200 + 1,
        "started_at": NOW - age,
        "duration_ms": 80 + roll % 97 * (roll % 89),
        "http_status": 500 if error else 200,
        "error_code": "INTERNAL_ERROR" if error else "",
        "error_message": "Something went wrong." if error else "",
    }
