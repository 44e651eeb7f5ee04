"""Why rows have not arrived: one definition, in one set of words."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

import pytest
from django.db.models.functions import Now

from conversion_sync.models import (
    Company,
    Contact,
    Deletion,
    Engagement,
    Status,
    SubscriptionChange,
    SyncedModel,
)
from conversion_sync.models.clock import db_now
from conversion_sync.status.counts import count_kinds
from conversion_sync.status.waits import reason_words, waits
from conversion_sync.status.waits import reasons as reasons_of
from conversion_sync.sync.gate import Gate
from conversion_sync.sync.readiness import Reason

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


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({}, Reason.READY),
        ({"sync_status": Status.FAILED, "due_at": None}, Reason.FAILED),
        ({"due_at": Now() + LONG, "attempts": 1, "last_error_code": "NOT_SENT"}, Reason.RETRY),
        ({"due_at": Now() + LONG, "failing_since": Now(), "last_error_code": "BUG"}, Reason.RETRY),
        ({"due_at": Now() + LONG}, Reason.LATER),
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


@pytest.mark.parametrize(
    "columns", [{"failing_since": Now()}, {"sync_status": Status.FAILED, "due_at": None}]
)
def test_an_opt_out_waits_no_longer_for_a_first_push_that_failed(columns):
    row = contact()
    change(row, "UNSUBSCRIBED")
    write(row, **columns)
    assert reasons()["subscriptionchange"] == Reason.READY
    SubscriptionChange.unmarked.update(status="SUBSCRIBED")
    assert reasons()["subscriptionchange"] in (Reason.CONTACT, Reason.CONTACT_FAILED)


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


def test_a_wait_says_how_many_why_and_when_while_anything_is_sent(conversion):
    now = db_now("default")
    for number in range(2):
        row = Contact.objects.create(email=f"c{number}@x.example")
        write(
            row,
            due_at=now + datetime.timedelta(minutes=4 + number),
            attempts=1,
            last_error_code="BUG",
        )
    (wait,) = waits(now=now)
    assert wait.words(now) == "2 contacts: will be tried again, the first in 4 min"
    Gate().pause("eve")
    (wait,) = waits(now=now)
    assert wait.words(now) == "2 contacts: will be tried again"


def test_a_row_that_was_changed_after_an_error_is_not_tried_again_but_sent():
    row = contact(last_error_code="NOT_SENT", attempts=2, failing_since=Now())
    assert reasons() == {"contact": Reason.RETRY}
    row.refresh_from_db()
    row.first_name = "Ann"
    row.save()
    assert reasons() == {"contact": Reason.READY}


def test_what_was_tried_and_waits_for_another_row_waits_for_that():
    row = contact()
    tried = engagement(row)
    write(tried, last_error_code="NOT_SENT", attempts=1, failing_since=Now())
    assert reasons()["engagement"] == Reason.CONTACT
    kind = next(kind for kind in count_kinds() if kind.name == "engagement")
    assert (kind.retrying, kind.moving) == (1, 0)


def test_what_waits_for_a_row_that_failed_is_held_and_not_on_its_way():
    row = contact(sync_status=Status.FAILED, due_at=None)
    engagement(row)
    other = Contact.objects.create(email="b@x.example")
    engagement(other)
    counted = {kind.name: kind for kind in count_kinds()}
    assert (counted["engagement"].held, counted["engagement"].moving) == (1, 1)
    assert (counted["contact"].held, counted["contact"].moving) == (0, 1)


def test_the_rows_of_a_page_are_asked_for_together(django_assert_num_queries):
    ann, bob = contact(), Contact.objects.create(email="b@x.example")
    synced(bob)
    write(ann, sync_status=Status.FAILED, due_at=None)
    for each in (ann, bob):
        engagement(each)
    rows = list(Engagement.objects.order_by("pk"))
    with django_assert_num_queries(1):
        found = reasons_of(rows, "default")
    assert found == {rows[0].pk: Reason.CONTACT_FAILED, rows[1].pk: Reason.READY}
    bob.refresh_from_db()
    assert reasons_of([bob], "default") == {}


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_has_words(reason):
    assert reason_words(reason)


# What waits for a contact, by how the contact stands.

CONTACTS: dict[str, dict[str, Any]] = {
    "never sent": {},
    "changed": {"synced_revision": 3},
    "in flight": {"sync_status": "SENDING", "synced_revision": 3},
    "arrived": {"sync_status": "SYNCED", "synced_revision": 3},
    "failed later": {"sync_status": "FAILED", "synced_revision": 3},
    "failed at once": {"sync_status": "FAILED"},
    "tried in vain": {"failing_since": Now()},
    "without a key": {"sync_status": "FAILED", "key": None, "synced_revision": 3},
}


@pytest.mark.parametrize(
    ("stands", "engaged", "opt_in", "opt_out"),
    [
        ("never sent", True, True, True),
        ("changed", True, True, False),
        ("in flight", True, True, False),
        ("arrived", False, False, False),
        ("failed later", False, False, False),
        ("failed at once", True, True, False),
        ("tried in vain", True, True, False),
        ("without a key", True, True, False),
    ],
)
def test_who_waits_for_a_contact(stands, engaged, opt_in, opt_out):
    person = contact(**CONTACTS[stands])
    engagement(person)
    behind = (Reason.CONTACT, Reason.CONTACT_FAILED)
    for status, expected in (("SUBSCRIBED", opt_in), ("UNSUBSCRIBED", opt_out)):
        SubscriptionChange.unmarked.all().delete()
        change(person, status)
        assert (reasons()["subscriptionchange"] in behind) == expected
    assert (reasons()["engagement"] in behind) == engaged


def test_an_opt_out_without_a_contact_waits_for_none():
    SubscriptionChange.objects.create(address="a@x.example", status="UNSUBSCRIBED")
    assert reasons() == {"subscriptionchange": Reason.READY}
