"""Rows, time and drains, as the tests of the core need them."""

from __future__ import annotations

import contextlib
import datetime
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction

from conversion_sync.api import v1
from conversion_sync.api.errors import ErrorCode
from conversion_sync.models import (
    ApiCall,
    Company,
    Contact,
    Deletion,
    Engagement,
    Record,
    SubscriptionChange,
    SyncedModel,
)
from conversion_sync.models.clock import db_now
from conversion_sync.records.mappers import mapper_of, push_of
from conversion_sync.testing import assert_arrived, consent_log, end_waits
from conversion_sync.testing import push as push
from conversion_sync.testing import sent as sent

ANN, BOB = "ann@x.example", "bob@x.example"

MODELS: tuple[type[Any], ...] = (Company, Contact, Deletion, SubscriptionChange, Engagement)

SECOND, MINUTE, HOUR, DAY = (
    datetime.timedelta(seconds=1),
    datetime.timedelta(minutes=1),
    datetime.timedelta(hours=1),
    datetime.timedelta(days=1),
)

#: Of a test that says when something was, or is, in UTC.
in_utc = pytest.mark.skipif(not settings.USE_TZ, reason="it expects a site in UTC, with zones")

TOKEN = uuid.UUID(int=7)

#: Python takes the two of each pair for equal, and JSON does not.
EQUAL_BUT_DIFFERENT: list[tuple[Any, Any]] = [
    (1, True),
    (0, False),
    ([1], [True]),
    ({"deep": [{"in": 0}]}, {"deep": [{"in": False}]}),
    (1, 1.0),
    (10**22, 1e22),
]

#: Seconds: more than a busy machine needs for what takes a moment, and less than what hangs.
PROMPT = 20.0


def on_the_wire(row: Record) -> dict[str, Any]:
    """What a push of a record carries, in the words of the generation in use."""
    record = mapper_of(type(row)).record(push_of(row))
    return v1.contact_item(record) if isinstance(row, Contact) else v1.company_item(record)


def wait_until(condition: Callable[[], object], what: str, seconds: float = PROMPT) -> None:
    """Wait for something that other threads or processes do."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


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
    assert_arrived(row)
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


def without_key(row: Record, spelling: str, **columns: Any) -> Any:
    """Have the row clash with the one that holds the key of this spelling, as an upgrade would."""
    state: dict[str, Any] = {
        "sync_status": "FAILED",
        "due_at": None,
        "last_error_code": ErrorCode.KEY_CLASH,
    }
    write(row, key=None, **{row.KEY: spelling}, **state | columns)
    return fresh(row)


#: Let every wait and every lease be over.
later = end_waits


def log(address: str = ANN) -> list[tuple[str, str]]:
    """The consent log of an address: what was asked for, and where it stands."""
    return consent_log(address)


def logged_call(age: datetime.timedelta) -> ApiCall:
    """A line of the call log that is so old."""
    call: ApiCall = ApiCall.objects.create(endpoint="e", started_at=db_now("default") - age)
    return call


def begin_savepoint() -> str:
    """As ``transaction.savepoint``, which has another name as of Django 6.1."""
    savepoint = connection.savepoint()
    assert savepoint
    return savepoint


class _RollBack(Exception):
    pass


def roll_back(act: Callable[[], object]) -> None:
    """Do something in a transaction (or a savepoint) that is then rolled back."""
    with contextlib.suppress(_RollBack), transaction.atomic():
        act()
        raise _RollBack
