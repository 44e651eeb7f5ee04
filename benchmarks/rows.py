"""Rows to measure with: all of a site after some years, or contacts and engagements that wait.

What a row looks like follows from its number alone, so that every run has the same rows. They are
written past our managers, as fast as the database takes them.
"""

from __future__ import annotations

import csv
import datetime
import json
import uuid
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.management.color import no_style
from django.db import connection

from conversion_sync.models import (
    ApiCall,
    Company,
    Contact,
    Deletion,
    Engagement,
    SubscriptionChange,
)
from conversion_sync.records.last_sent import payload_of
from conversion_sync.records.snapshot import Snapshot

__all__ = ["arrived_contacts", "due_contacts", "due_engagements", "empty", "fill", "values"]

SAMPLES = Path(__file__).resolve().parent.parent / "project" / "sample_data"
BATCH = 5000
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
YEARS = 3 * 365 * DAY

INVALID = "VALIDATION_ERROR"

#: Rows of each kind for one contact.
SHARES = {
    Company: 0.1,
    Contact: 1.0,
    SubscriptionChange: 0.3,
    Engagement: 1.0,
    Deletion: 0.02,
    ApiCall: 0.3,
}

#: Of each thousand rows the places of those that have not arrived, their state and error: on each
#: page of a list there are some.
STATES: dict[type[Any], list[tuple[range, str, str]]] = {
    Company: [(range(7, 1000, 100), "PENDING", ""), (range(11, 1000, 250), "FAILED", INVALID)],
    Contact: [
        (range(7, 1000, 100), "PENDING", ""),
        (range(57, 1000, 200), "PENDING", "INTERNAL_ERROR"),
        (range(157, 1000, 200), "PENDING", "NOT_SENT"),
        (range(11, 1000, 200), "FAILED", INVALID),
        (range(13, 1000, 1000), "FAILED", "FORBIDDEN"),
        (range(17, 1000, 2000), "SENDING", ""),
    ],
    SubscriptionChange: [
        (range(7, 1000, 50), "PENDING", ""),
        (range(11, 1000, 250), "FAILED", "CONSENT_BLOCKED"),
        (range(3, 1000, 20), "SUPERSEDED", ""),
    ],
    Engagement: [
        (range(7, 1000, 100), "PENDING", ""),
        (range(57, 1000, 100), "PENDING", "INTERNAL_ERROR"),
        (range(11, 1000, 250), "FAILED", INVALID),
        (range(13, 1000, 1000), "UNCONFIRMED", "NO_ANSWER"),
        (range(17, 1000, 2000), "SENDING", ""),
    ],
    Deletion: [(range(7, 1000, 50), "PENDING", ""), (range(11, 1000, 100), "FAILED", "FORBIDDEN")],
}

#: Of the contacts, those of one import, long ago, that were refused.
REFUSED = range(1001, 5001, 2)


#: The state of a row that has never been sent, and is due.
DUE: dict[str, Any] = {
    "sync_status": "PENDING",
    "claim": None,
    "attempts": 0,
    "failing_since": None,
    "last_error_code": "",
    "last_error_message": "",
    "last_attempt_at": None,
    "last_synced_at": None,
    "due_at": NOW,
    "remote_id": "",
}
NEVER_SENT = {"sent_revision": None, "sent_key": None, "sent_payload": None, "synced_revision": 0}
ARRIVED = DUE | {"sync_status": "SYNCED", "due_at": None, "remote_id": "there"}


def values(number: int) -> dict[str, str]:
    """What a contact of the rows below says, but for its email."""
    return {"first_name": "Ann", "last_name": f"Number {number}", "title": "Engineer"}


def empty() -> None:
    """Remove all rows."""
    tables = [model._meta.db_table for model in SHARES]
    flush = connection.ops.sql_flush(no_style(), tables, reset_sequences=True, allow_cascade=True)
    connection.ops.execute_sql_flush(flush)


def due_contacts(count: int, *, after: int = 0, **columns: Any) -> None:
    """Have so many new contacts wait to be sent.

    Args:
        after: the number of the last contact that is there, and stays; else none do.
        columns: other columns than they have by themselves.
    """
    if not after:
        empty()
    numbers = range(after + 1, after + count + 1)
    rows = (_short_contact(number) | DUE | NEVER_SENT | columns for number in numbers)
    _insert(Contact, rows)
    _settle_in()


def arrived_contacts(count: int) -> None:
    """Have so many contacts that have arrived, and no others there."""
    empty()
    _insert(Contact, (_short_contact(number) | ARRIVED for number in range(1, count + 1)))
    _settle_in()


def due_engagements(count: int) -> None:
    """Have so many engagements wait, each of another contact, which has arrived."""
    arrived_contacts(count)
    rows = (_engagement(n, count) | DUE | {"contact_id": n} for n in range(1, count + 1))
    _insert(Engagement, rows)
    _settle_in()


def _short_contact(number: int) -> dict[str, Any]:
    key = f"c{number}@x.example"
    said = values(number)
    others = {"phone": "", "linkedin_url": "", "company_id": None, "custom_variables": "{}"}
    state = _state(Company, 1, 1) | {"created_at": NOW, "updated_at": NOW}
    return {
        "id": number,
        "email": key,
        "subscription_status": "",
        "external_contact": "{}",
        "remote_created_at": None,
        **others,
        **said,
        **_record(key, state, said),
    }


def _settle_in() -> None:
    """Bring the sequences and the statistics up to the rows."""
    with connection.cursor() as cursor:
        for sql in connection.ops.sequence_reset_sql(no_style(), list(SHARES)):
            cursor.execute(sql)
    _analyse()


def fill(start: int, end: int) -> None:
    """Write the contacts with the numbers from ``start`` to ``end``, and what belongs to them."""
    makers = {
        Company: _company,
        Contact: _contact,
        SubscriptionChange: _change,
        Engagement: _engagement,
        Deletion: _deletion,
        ApiCall: _call,
    }
    for model, share in SHARES.items():
        numbers = range(int(start * share) + 1, int(end * share) + 1)
        make, last = makers[model], int(end * share)
        _insert(model, (make(number, last) for number in numbers))
    _analyse()


def _people() -> list[dict[str, str]]:
    with (SAMPLES / "contacts.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


PEOPLE = _people()


def _dice(number: int, salt: int = 0) -> int:
    """An even spread over a million, the same in each run."""
    return ((number + salt) * 2_654_435_761 >> 7) % 1_000_000


def _created(number: int, last: int) -> datetime.datetime:
    return NOW - YEARS * (1 - number / last)


def _status(model: type[Any], number: int) -> tuple[str, str]:
    if model is Contact and number in REFUSED:
        return "FAILED", "DUPLICATE_ERROR"
    place = number % 1000
    states = ((status, error) for places, status, error in STATES[model] if place in places)
    return next(states, ("SYNCED", ""))


def _state(model: type[Any], number: int, last: int) -> dict[str, Any]:
    status, error = _status(model, number)
    created = _created(number, last)
    changed = max(created, NOW - YEARS * (_dice(number, 7) / 1_000_000))
    due = None
    if status == "PENDING":
        due = NOW + DAY / 100 if error else min(NOW, changed)
    elif status == "SENDING":
        due = NOW + DAY / 1000
    return {
        "sync_status": status,
        "revision": 2,
        "due_at": due,
        "priority": 1,
        "claim": str(uuid.UUID(int=number)) if status == "SENDING" else None,
        "attempts": 3 if error else 0,
        "failing_since": changed if error else None,
        "last_error_code": error,
        "last_error_message": "It was refused because of a value of it." if error else "",
        "last_attempt_at": changed,
        "last_synced_at": changed if status == "SYNCED" else None,
        "last_call_id": None,
        "remote_id": f"rec_{number:024d}",
        "created_at": created,
        "updated_at": changed,
    }


def _record(key: str, state: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
    return state | {
        "key": key,
        "sent_revision": 2,
        "sent_key": key,
        "sent_payload": json.dumps(payload_of(Snapshot(key, variables))),
        "synced_revision": 2 if state["sync_status"] == "SYNCED" else 1,
    }


def _company(number: int, last: int) -> dict[str, Any]:
    values = {
        "company_name": f"{PEOPLE[_dice(number, 9) % len(PEOPLE)]['last_name']} & {number % 977}",
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
        **_record(key, _state(Company, number, last), values),
    }


def _contact(number: int, last: int) -> dict[str, Any]:
    person, roll = PEOPLE[_dice(number, 9) % len(PEOPLE)], _dice(number, 3)
    name = person["email"].partition("@")[0]
    email = f"{name}.{number}@company-{number // 10 + 1}.example"
    values = {
        "first_name": person["first_name"],
        "last_name": person["last_name"] if _dice(number, 4) > 50_000 else "",
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
        **_record(email, _state(Contact, number, last), values | variables),
    }


def _change(number: int, last: int) -> dict[str, Any]:
    contact = int(number / SHARES[SubscriptionChange])
    out = _dice(number, 5) < 200_000
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
        **_state(SubscriptionChange, number, last),
    }


def _engagement(number: int, last: int) -> dict[str, Any]:
    return {
        "id": number,
        "contact_id": (number * 7919) % last + 1,
        "name": ("Sales call", "Webinar attended", "Demo", "Form sent")[number % 4],
        "description": "We talked about what is next.",
        "occurred_at": _created(number, last) - DAY * (number % 30),
        "data": '{"duration_minutes": 30, "outcome": "positive"}',
        "source_key": f"E-{number:09d}" if number % 2 else None,
        **_state(Engagement, number, last),
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
        **_state(Deletion, number, last),
    }


def _call(number: int, last: int) -> dict[str, Any]:
    """A third of the calls in the last day, the others in the month before."""
    part = number / last
    age = 30 * DAY - 29 * DAY * part * 1.5 if part < 2 / 3 else DAY * (1 - part) * 3
    roll = _dice(number)
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


def _insert(model: type[Any], rows: Iterator[dict[str, Any]]) -> None:
    """Write rows as fast as the database takes them; all name the same columns."""
    while batch := list(islice(rows, BATCH)):
        quoted, names = connection.ops.quote_name, list(batch[0])
        table = quoted(model._meta.db_table)
        values = ([_stored(row[name]) for name in names] for row in batch)
        columns = ", ".join(map(quoted, names))
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                    for row in values:
                        copy.write_row(row)
            else:
                marks = ", ".join(["%s"] * len(names))
                sql = f"INSERT INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608  # our own names
                cursor.executemany(sql, list(values))


def _stored(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return connection.ops.adapt_datetimefield_value(value)
    return value


def _analyse() -> None:
    """What the database does by itself after a while."""
    words = {"postgresql": "VACUUM (ANALYZE)", "mysql": "ANALYZE TABLE", "sqlite": "ANALYZE"}
    tables: Iterable[str] = (model._meta.db_table for model in SHARES)
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"{words[connection.vendor]} {table}")
