"""Rows, time and drains, as the tests of the core need them."""

from __future__ import annotations

import contextlib
import datetime
import uuid
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from conversion_sync.models import (
    Company,
    Contact,
    Deletion,
    Engagement,
    SubscriptionChange,
    SyncedModel,
)
from conversion_sync.models.fields import db_now
from conversion_sync.sandbox import Sandbox
from conversion_sync.sync.drain import DrainReport, drain

ANN, BOB = "ann@x.example", "bob@x.example"

MODELS: tuple[type[Any], ...] = (Company, Contact, Deletion, SubscriptionChange, Engagement)

SECOND, MINUTE, HOUR, DAY = (
    datetime.timedelta(seconds=1),
    datetime.timedelta(minutes=1),
    datetime.timedelta(hours=1),
    datetime.timedelta(days=1),
)

TOKEN = uuid.UUID(int=7)


def contact(email: str = ANN, **fields: Any) -> Contact:
    row: Contact = Contact.objects.create(email=email, **fields)
    return row


def company(external_id: str = "C1", **fields: Any) -> Company:
    row: Company = Company.objects.create(external_id=external_id, **fields)
    return row


def engagement(of: Contact, **fields: Any) -> Engagement:
    given = {"name": "Call", "description": "We talked.", **fields}
    return Engagement.objects.create(contact=of, **given)


def synced_contact(email: str = ANN, **fields: Any) -> Contact:
    """A contact that has arrived in the sandbox, with its consent."""
    row = contact(email, **fields)
    push()
    found: Contact = fresh(row)
    return found


def fresh(row: SyncedModel) -> Any:
    """The row as the database has it."""
    return type(row).unmarked.get(pk=row.pk)


def write(row: SyncedModel, **columns: Any) -> None:
    """Write columns past all rules."""
    type(row).unmarked.filter(pk=row.pk).update(**columns)


def claimed(row: SyncedModel, seconds: float = 60, **columns: Any) -> None:
    """Have a delivery hold the row, as a claim would."""
    now = db_now("default")
    stamps: dict[str, Any] = {
        "claim": TOKEN,
        "sync_status": "SENDING",
        "due_at": now + datetime.timedelta(seconds=seconds),
        "last_attempt_at": now,
    }
    if hasattr(row, "sent_key"):
        found = fresh(row)
        stamps |= {"sent_key": found.key, "sent_revision": found.revision, "sent_payload": {}}
    write(row, **stamps | columns)


def push(seconds: float | None = None) -> DrainReport:
    """Drain until nothing is ready."""
    report = drain(seconds)
    while report.go_on:
        report = drain(seconds)
    return report


def later() -> None:
    """Let every wait and every lease be over."""
    for model in MODELS:
        model.unmarked.filter(due_at__gt=Now()).update(due_at=Now() - SECOND)


def sent(box: Sandbox, path: str = "/contacts/batch", method: str = "POST") -> list[Any]:
    """The bodies of the calls of one endpoint, oldest first."""
    return [call.body for call in box.calls if (call.method, call.path) == (method, path)]


def log(address: str = ANN) -> list[tuple[str, str]]:
    """The consent log of an address, oldest first: what was asked for, and where it stands."""
    rows = SubscriptionChange.objects.filter(address=address).order_by("pk")
    return list(rows.values_list("status", "sync_status"))


class _RollBack(Exception):
    pass


def roll_back(act: Callable[[], object]) -> None:
    """Do something in a transaction (or a savepoint) that is then rolled back."""
    with contextlib.suppress(_RollBack), transaction.atomic():
        act()
        raise _RollBack
