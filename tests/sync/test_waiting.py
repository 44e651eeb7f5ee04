"""Rows that have to wait: put off, and made due when what they wait for is done."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conversion_sync.conf import conf
from conversion_sync.models import (
    Company,
    Contact,
    Deletion,
    Engagement,
    Status,
    SubscriptionChange,
)
from conversion_sync.models.clock import db_now
from conversion_sync.sync import waiting
from conversion_sync.sync.drain import anything_ready, drain
from conversion_sync.sync.look import WINDOW
from conversion_sync.sync.waiting import PUT_OFF, PUT_OFF_TRIED, put_off
from tests.kit import (
    ANN,
    BOB,
    HOUR,
    MINUTE,
    SECOND,
    claimed,
    contact,
    engagement,
    fresh,
    later,
    push,
    synced_contact,
    write,
)

pytestmark = pytest.mark.django_db

BATCH = "/contacts/batch-subscription"


def wait_of(row) -> float:
    """Seconds until the row is looked at again."""
    return float((fresh(row).due_at - db_now("default")).total_seconds())


def busy(row: Contact) -> Contact:
    """The contact is tried again in some minutes: what is behind it has to wait."""
    later = db_now("default") + 4 * MINUTE
    write(row, sync_status=Status.PENDING, synced_revision=0, due_at=later)
    return row


def test_what_has_to_wait_is_put_off_for_a_lease_and_stays_as_it_is(conversion):
    """No longer than that: the worker that is to make it due may be killed before it does."""
    row = engagement(busy(contact()))
    before = fresh(row)
    assert drain().calls == 0
    after = fresh(row)
    assert conf.lease - 5 < wait_of(row) <= conf.lease
    assert (after.sync_status, after.attempts, after.revision) == ("PENDING", 0, before.revision)
    assert (after.last_error_code, after.priority, after.claim) == ("", before.priority, None)


def test_where_many_wait_they_are_looked_at_less_often(conversion):
    row = busy(contact())
    events = [engagement(row) for _ in range(WINDOW)]
    before = db_now("default")
    drain()
    after = db_now("default")
    dues = [fresh(event).due_at for event in events]
    assert all(before + PUT_OFF <= due_at <= after + PUT_OFF for due_at in dues)


def test_what_was_tried_is_looked_at_again_soon(conversion):
    row = engagement(busy(contact()))
    write(row, failing_since=db_now("default"), attempts=1)
    drain()
    assert 0 < wait_of(row) <= PUT_OFF_TRIED.total_seconds()


def test_nobody_is_put_off_for_ever(conversion):
    ann = contact()
    row = engagement(busy(ann))
    drain()
    # Past all rules, so that nothing makes the engagement due.
    write(ann, sync_status=Status.SYNCED, synced_revision=1, due_at=None)
    conversion.app.store.upsert_contacts([{"email": ANN}])
    assert drain().calls == 0
    later()
    drain()
    assert fresh(row).sync_status == Status.SYNCED


def test_a_backlog_is_looked_through_once(conversion):
    ann = busy(contact())
    for _ in range(5):
        engagement(ann)
    drain()
    with CaptureQueriesContext(connection) as queries:
        drain()
    of_engagements = [q["sql"] for q in queries if "engagement" in q["sql"]]
    assert not [sql for sql in of_engagements if "CASE" in sql or sql.startswith("UPDATE")]


def test_whether_anything_is_ready_is_asked_without_writing(conversion):
    row = busy(contact(subscription_status="SUBSCRIBED"))
    engagement(row)
    change = SubscriptionChange.objects.get()
    with CaptureQueriesContext(connection) as queries:
        assert not anything_ready()
    assert not [q["sql"] for q in queries if not q["sql"].startswith("SELECT")]
    assert wait_of(change) <= 0
    # What is to be taken away is work too, and looking at it leaves it as it is.
    write(change, contact=None)
    claimed(engagement(contact(BOB)), seconds=-1)
    with CaptureQueriesContext(connection) as queries:
        assert anything_ready()
    assert not [q["sql"] for q in queries if not q["sql"].startswith("SELECT")]
    assert fresh(change).sync_status == Status.PENDING


# What makes due


def test_an_event_is_sent_in_the_drain_in_which_its_contact_arrives(conversion):
    row = contact(subscription_status="SUBSCRIBED")
    happened = engagement(row)
    for event in (happened, SubscriptionChange.objects.get()):
        write(event, due_at=db_now("default") + PUT_OFF)
    drain()
    assert fresh(happened).sync_status == Status.SYNCED
    assert SubscriptionChange.objects.get().sync_status == Status.SYNCED


def test_so_it_is_where_the_contact_needed_no_call(conversion):
    row = synced_contact()
    happened = engagement(row)
    write(happened, due_at=db_now("default") + PUT_OFF)
    fresh(row).save()
    calls = len(conversion.calls)
    drain()
    assert fresh(happened).sync_status == Status.SYNCED
    assert [call.path for call in conversion.calls[calls:]] == ["/contacts/engagements"]


def test_a_change_is_made_due_where_its_known_contact_fails(conversion):
    row = synced_contact()
    row.subscription_status = "SUBSCRIBED"
    row.first_name = "Ann"
    row.save()
    change = SubscriptionChange.objects.get()
    write(change, due_at=db_now("default") + PUT_OFF)
    conversion.fail("400", path="/contacts/batch$")
    drain()
    assert fresh(row).sync_status == Status.FAILED
    assert fresh(change).sync_status == Status.SYNCED


@pytest.mark.parametrize(
    "end", [lambda conversion: None, lambda conversion: conversion.fail("400", path=BATCH)]
)
def test_a_later_change_is_made_due_when_the_earlier_one_arrived_or_failed(conversion, end):
    row = contact(subscription_status="UNSUBSCRIBED")
    SubscriptionChange.objects.create(contact=row, address=ANN, status="SUBSCRIBED", override=True)
    change = SubscriptionChange.objects.latest("pk")
    write(change, due_at=db_now("default") + PUT_OFF)
    end(conversion)
    drain()
    assert fresh(change).sync_status == Status.SYNCED


def deleted(conversion) -> Deletion:
    synced_contact(BOB).delete()
    return Deletion.objects.get()


def arrives(deletion: Deletion) -> None:
    push()


def is_discarded(deletion: Deletion) -> None:
    write(deletion, sync_status=Status.FAILED, due_at=None)
    assert Deletion.objects.discard_failed() == 1
    push()


def is_deleted(deletion: Deletion) -> None:
    deletion.delete()
    push()


@pytest.mark.parametrize("end", [arrives, is_discarded, is_deleted])
def test_a_record_is_made_due_when_the_deletion_of_its_key_is_done(conversion, end):
    deletion = deleted(conversion)
    write(deletion, due_at=db_now("default") + MINUTE)
    row = contact(BOB)
    push()
    assert wait_of(row) > 30
    write(deletion, due_at=db_now("default") - SECOND)
    end(deletion)
    assert fresh(row).sync_status == Status.SYNCED


def test_so_is_a_company(conversion):
    row = Company.objects.create(external_id="C1")
    deletion = Deletion.objects.create(kind="company", key="C1")
    write(row, due_at=db_now("default") + PUT_OFF)
    push()
    assert fresh(deletion).sync_status == fresh(row).sync_status == Status.SYNCED


def test_a_change_is_made_due_when_the_deletion_of_the_old_email_is_done(conversion):
    row = synced_contact()
    row.email = BOB
    row.subscription_status = "SUBSCRIBED"
    row.save()
    change = SubscriptionChange.objects.get()
    deletion = Deletion.objects.get()
    write(deletion, due_at=db_now("default") + MINUTE)
    push()
    assert wait_of(change) > 30
    write(deletion, due_at=db_now("default") - SECOND)
    push()
    assert fresh(change).sync_status == Status.SYNCED


def test_an_opt_out_is_made_due_when_its_contact_is_deleted(conversion):
    row = busy(contact(subscription_status="UNSUBSCRIBED"))
    change = SubscriptionChange.objects.get()
    conversion.app.store.upsert_contacts([{"email": ANN}])
    push()
    assert wait_of(change) > 30
    fresh(row).delete()
    push()
    assert conversion.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"


def test_what_is_in_backoff_is_not_made_due(conversion):
    row = contact()
    tried = engagement(row)
    when = db_now("default") + HOUR
    write(tried, failing_since=db_now("default"), attempts=1, due_at=when)
    drain()
    assert fresh(row).sync_status == Status.SYNCED
    assert fresh(tried).due_at == when


def test_what_settles_while_rows_are_put_off_does_not_leave_them_behind(conversion, monkeypatch):
    """It did not find them put off, and so made nothing due: who puts off looks once more."""
    ann = contact()
    row = engagement(busy(ann))
    real = waiting._put_off

    def settle_meanwhile(*args):
        pks = real(*args)
        write(ann, sync_status=Status.SYNCED, synced_revision=1, due_at=None)
        return pks

    monkeypatch.setattr(waiting, "_put_off", settle_meanwhile)
    put_off(Engagement, "default", [row.pk])
    assert wait_of(row) <= 0


# Changes that no longer matter


def test_changes_are_taken_away_as_they_are_looked_at(conversion):
    row = synced_contact()
    for status in ("SUBSCRIBED", "PENDING", "SUBSCRIBED"):
        SubscriptionChange.objects.create(contact=row, address=ANN, status=status)
    drain()
    states = list(SubscriptionChange.objects.order_by("pk").values_list("sync_status", flat=True))
    assert states == ["SUPERSEDED", "SUPERSEDED", "SYNCED"]


def test_an_older_change_in_backoff_does_not_say_that_it_is_tried_again(conversion):
    row = synced_contact()
    older = SubscriptionChange.objects.create(contact=row, address=ANN, status="PENDING")
    write(older, failing_since=db_now("default"), due_at=db_now("default") + HOUR)
    newer = SubscriptionChange.objects.create(contact=row, address=ANN, status="UNSUBSCRIBED")
    drain()
    assert fresh(newer).sync_status == Status.SYNCED
    assert fresh(older).sync_status == Status.SUPERSEDED
