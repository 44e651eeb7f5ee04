"""What the overview says of rows, drains and reasons."""

from __future__ import annotations

import datetime
import uuid

import pytest
from django.utils import timezone

from conversion_sync.models import (
    Company,
    Contact,
    Deletion,
    Engagement,
    Heartbeat,
    Status,
    SubscriptionChange,
    SyncedModel,
)
from conversion_sync.models.fields import db_now
from conversion_sync.sync import estimates
from conversion_sync.sync import overview as overviews
from conversion_sync.sync.overview import Errors, Kind, LastDrain, Reason, overview, span, waits

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


def reasons() -> dict[str, Reason]:
    return {wait.name: wait.reason for wait in waits()}


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


def kind_of(name: str) -> Kind:
    return next(kind for kind in overview().kinds if kind.name == name)


def test_errors_are_counted_by_state_and_code():
    for number in range(3):
        row = Contact.objects.create(email=f"c{number}@x.example")
        write(row, sync_status="FAILED", last_error_code="FORBIDDEN", due_at=None)
    write(Contact.objects.create(email="d@x.example"), last_error_code="NOT_SENT")
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
    monkeypatch.setattr(overviews, "table_sizes", lambda models, using: dict.fromkeys(models, 100))
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
    Contact.objects.bulk_create(Contact(email=f"c{n}@x.example") for n in range(300))
    with django_assert_max_num_queries(21):
        overview()


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({}, Reason.READY),
        ({"sync_status": Status.FAILED, "due_at": None}, Reason.FAILED),
        ({"due_at": timezone.now() + LONG, "attempts": 1}, Reason.RETRY),
        ({"due_at": timezone.now() + LONG, "failing_since": timezone.now()}, Reason.RETRY),
        ({"due_at": timezone.now() + LONG}, Reason.LATER),
        ({"sync_status": Status.SENDING, "claim": uuid.UUID(int=1)}, Reason.SENDING),
    ],
)
def test_a_contact_says_why_it_has_not_arrived(columns, reason):
    contact(**columns)
    assert reasons() == {"contact": reason}


def test_what_has_arrived_waits_for_nothing():
    synced(contact())
    assert waits() == []


@pytest.mark.parametrize(
    ("status", "reason"),
    [(Status.PENDING, Reason.DELETION), (Status.FAILED, Reason.DELETION_FAILED)],
)
def test_a_record_waits_for_the_deletion_of_its_key(status, reason):
    contact()
    Company.objects.create(external_id="ann@x.example")
    write(Deletion.objects.create(kind="contact", key="ann@x.example"), sync_status=status)
    found = reasons()
    assert found["contact"] == reason
    assert found["company"] == Reason.READY


def test_an_engagement_waits_for_its_contact():
    row = contact()
    engagement(row)
    assert reasons()["engagement"] == Reason.CONTACT
    synced(row)
    assert reasons()["engagement"] == Reason.READY


def test_an_engagement_whose_contact_failed_says_so():
    engagement(contact(sync_status=Status.FAILED, due_at=None))
    assert reasons()["engagement"] == Reason.CONTACT_FAILED


def test_an_engagement_in_doubt_needs_a_person():
    row = contact()
    synced(row)
    write(engagement(row), sync_status=Status.UNCONFIRMED, due_at=None)
    assert reasons() == {"engagement": Reason.IN_DOUBT}


def change(of: Contact, status: str) -> SubscriptionChange:
    return SubscriptionChange.objects.create(contact=of, address=of.email, status=status)


def test_a_subscription_waits_for_its_contact_an_opt_out_only_for_an_unknown_one():
    row = contact()
    change(row, "UNSUBSCRIBED")
    assert reasons()["subscriptionchange"] == Reason.CONTACT
    write(row, synced_revision=1)
    assert reasons()["subscriptionchange"] == Reason.READY
    SubscriptionChange.unmarked.update(status="SUBSCRIBED")
    assert reasons()["subscriptionchange"] == Reason.CONTACT


def test_a_subscription_waits_for_an_earlier_one_of_the_same_person():
    row = contact()
    synced(row)
    change(row, "UNSUBSCRIBED")
    change(row, "SUBSCRIBED")
    assert [(w.reason, w.count) for w in waits()] == [(Reason.READY, 1), (Reason.EARLIER, 1)]


def test_a_subscription_but_no_opt_out_waits_for_the_deletion_of_the_old_email():
    row = contact()
    synced(row)
    Deletion.objects.create(kind="contact", key="old@x.example", successor=row)
    change(row, "SUBSCRIBED")
    assert reasons()["subscriptionchange"] == Reason.OLD_EMAIL
    SubscriptionChange.unmarked.update(status="UNSUBSCRIBED")
    assert reasons()["subscriptionchange"] == Reason.READY


def test_a_wait_says_how_many_why_and_when():
    now = db_now("default")
    for number in range(2):
        row = Contact.objects.create(email=f"c{number}@x.example")
        write(row, due_at=now + datetime.timedelta(minutes=4 + number), attempts=1)
    (wait,) = waits(now=now)
    assert wait.words(now) == "2 contacts: will be tried again, the first in 4 min"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (240, "4 min"), (7200, "2 h"), (3 * 86400, "3 d")],
)
def test_a_span_is_told_in_its_largest_unit(seconds, words):
    assert span(seconds) == words
