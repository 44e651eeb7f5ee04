"""Contacts and engagements, and nothing else: they wait to be sent, or have arrived."""

from __future__ import annotations

from typing import Any

from benchmarks.rows.states import NOW, record_of, state_of
from benchmarks.rows.tables import empty, insert, settle_in
from benchmarks.rows.years import engagement
from conversion_sync.models import Company, Contact, Engagement

__all__ = ["arrived_contacts", "due_contacts", "due_engagements", "values"]

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
    insert(Contact, rows)
    settle_in()


def arrived_contacts(count: int) -> None:
    """Have so many contacts that have arrived, and no others there."""
    empty()
    insert(Contact, (_short_contact(number) | ARRIVED for number in range(1, count + 1)))
    settle_in()


def due_engagements(count: int) -> None:
    """Have so many engagements wait, each of another contact, which has arrived."""
    arrived_contacts(count)
    rows = (engagement(n, count) | DUE | {"contact_id": n} for n in range(1, count + 1))
    insert(Engagement, rows)
    settle_in()


def _short_contact(number: int) -> dict[str, Any]:
    key = f"c{number}@x.example"
    said = values(number)
    others = {"phone": "", "linkedin_url": "", "company_id": None, "custom_variables": "{}"}
    state = state_of(Company, 1, 1) | {"created_at": NOW, "updated_at": NOW}
    return {
        "id": number,
        "email": key,
        "subscription_status": "",
        "external_contact": "{}",
        "remote_created_at": None,
        **others,
        **said,
        **record_of(key, state, said),
    }
