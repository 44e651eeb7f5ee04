"""What the overview says of rows, drains and reasons."""

from __future__ import annotations

import datetime
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from conversion_sync.models import (
    ApiGate,
    Company,
    Contact,
    Engagement,
    Heartbeat,
    Status,
    SubscriptionChange,
    SyncedModel,
)
from conversion_sync.models.clock import db_now
from conversion_sync.status import counts, estimates
from conversion_sync.status.counts import Errors, KindState
from conversion_sync.status.last_drain import LastDrain
from conversion_sync.status.overview import overview
from conversion_sync.status.waits import waits
from conversion_sync.sync.drain import anything_ready

pytestmark = pytest.mark.django_db

LONG = datetime.timedelta(seconds=200)
SHORT = datetime.timedelta(seconds=100)


def write(row: SyncedModel, **columns: object) -> None:
    type(row).unmarked.filter(pk=row.pk).update(**columns)


def contact(**columns: object) -> Contact:
    row: Contact = Contact.objects.create(email="ann@x.example")
    if columns:
        write(row, **columns)
    return row


def synced(row: SyncedModel) -> None:
    write(row, sync_status=Status.SYNCED, due_at=None, synced_revision=1, sent_revision=1)


def engagement(of: Contact) -> Engagement:
    return Engagement.objects.create(contact=of, name="Call", description="Talked")


def test_the_oldest_row_is_found_among_all_kinds():
    contact(due_at=timezone.now() - SHORT)
    company = Company.objects.create(external_id="C1")
    write(company, due_at=timezone.now() - LONG)
    state = overview()
    assert state.oldest is not None
    assert state.oldest.name == "company"
    assert state.due == 2


def test_a_row_that_is_not_due_yet_is_not_counted_as_due():
    contact(due_at=timezone.now() + SHORT)
    state = overview()
    assert (state.due, state.oldest) == (0, None)


def kind_of(name: str) -> KindState:
    return next(kind for kind in overview().kinds if kind.name == name)


def test_errors_are_counted_by_state_and_code():
    for number in range(3):
        row = Contact.objects.create(email=f"c{number}@x.example")
        write(row, sync_status="FAILED", last_error_code="FORBIDDEN", due_at=None)
    write(Contact.objects.create(email="d@x.example"), last_error_code="NOT_SENT", attempts=1)
    Contact.objects.create(email="e@x.example")
    kind = kind_of("contact")
    assert kind.counts == {"FAILED": 3, "PENDING": 2}
    assert set(kind.errors) == {
        Errors("FAILED", "FORBIDDEN", 3),
        Errors("PENDING", "NOT_SENT", 1),
    }
    assert kind.retrying == 1


def test_a_row_that_needs_a_person_is_among_the_errors_whatever_its_code():
    write(engagement(contact()), sync_status="UNCONFIRMED", last_error_code="", due_at=None)
    assert kind_of("engagement").errors == [Errors("UNCONFIRMED", "", 1)]


def test_what_has_arrived_is_estimated_where_it_is_too_much_to_be_counted(monkeypatch):
    monkeypatch.setattr(estimates, "EXACT", 2)
    monkeypatch.setattr(counts, "table_sizes", lambda models, using: dict.fromkeys(models, 100))
    for number in range(3):
        synced(Contact.objects.create(email=f"c{number}@x.example"))
    contact()
    synced(Company.objects.create(external_id="C1"))
    assert (kind_of("contact").counts["SYNCED"], kind_of("contact").synced_is_exact) == (99, False)
    assert (kind_of("company").counts["SYNCED"], kind_of("company").synced_is_exact) == (1, True)


@pytest.mark.parametrize(
    ("due_for", "drained", "working"),
    [
        (LONG, None, False),
        (LONG, LONG, False),
        (LONG, SHORT, True),
        (SHORT, None, True),
        (SHORT, LONG, True),
        (None, None, True),
    ],
)
def test_nobody_works_when_rows_are_due_and_no_drain_ran_for_long(due_for, drained, working):
    now = db_now("default")
    if due_for:
        contact(due_at=now - due_for)
    if drained:
        Heartbeat.write("default", started_at=now - drained, finished_at=now - drained)
    assert overview().working is working


def test_a_drain_that_has_begun_counts_as_working():
    now = db_now("default")
    contact(due_at=now - LONG)
    Heartbeat.write("default", started_at=now, finished_at=now - 3 * LONG)
    state = overview()
    assert state.working
    assert state.last_drain.is_running


def test_a_drain_is_running_only_until_it_ended():
    now = timezone.now()
    assert not LastDrain(now, now, "", 0, 0).is_running
    assert not LastDrain(None, None, "", 0, 0).is_running
    assert LastDrain(now, None, "", 0, 0).is_running


def test_the_time_left_before_nobody_works_is_a_setting(settings):
    settings.CONVERSION_SYNC = {"STALE_AFTER": 50}
    contact(due_at=timezone.now() - SHORT)
    assert not overview().working


def test_reading_takes_the_same_queries_however_many_rows(django_assert_max_num_queries):
    overview()
    with CaptureQueriesContext(connection) as of_none:
        overview()
    Contact.objects.bulk_create(Contact(email=f"c{n}@x.example") for n in range(300))
    # PostgreSQL and MariaDB are asked about how many rows their tables have.
    estimates = connection.vendor != "sqlite"
    with django_assert_max_num_queries(22 + estimates) as of_many:
        overview()
    assert len(of_many) == len(of_none)


def test_reading_writes_nothing():
    row = contact(attempts=1, last_error_code="NOT_SENT")
    engagement(row)
    change = SubscriptionChange.objects.create(address="a@x.example", status="SUBSCRIBED")
    write(change, sync_status=Status.SENDING, claim=uuid.UUID(int=1), due_at=timezone.now() - LONG)
    ApiGate.objects.all().delete()
    with CaptureQueriesContext(connection) as queries:
        overview()
        waits()
        anything_ready()
    assert not [q["sql"] for q in queries if not q["sql"].lstrip().startswith("SELECT")]
