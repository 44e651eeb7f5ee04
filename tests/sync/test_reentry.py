"""Whatever may have brought a record into being is followed by the opt-out that stands."""

from __future__ import annotations

import contextlib

import pytest
from django.db import connection

from conversion_sync.models import Contact, Deletion, Status, SubscriptionChange
from conversion_sync.sync.consent import push_again
from conversion_sync.sync.drain import drain
from tests.kit import ANN, BOB, contact, fresh, later, log, push, sent, synced_contact, write
from tests.sync.lost_answers import LOST, configured, lose_answer

pytestmark = pytest.mark.django_db

CONTACTS = "/contacts/batch$"
BATCH = "/contacts/batch-subscription"


def remote(conversion, email: str = ANN) -> str:
    return str(conversion.contacts[email]["subscriptionStatus"])


@pytest.fixture
def lost(conversion) -> Contact:
    """A contact who has opted out, of whom the vendor's record is gone, and who was edited."""
    row = synced_contact(subscription_status="UNSUBSCRIBED")
    conversion.reset()
    row.first_name = "Ann"
    row.save()
    return row


def lose_the_answer(conversion, settings, way: str) -> None:
    lose_answer(conversion, settings, way, CONTACTS)
    assert set(conversion.contacts) == {ANN}
    assert fresh(Contact.objects.get()).sync_status == Status.PENDING


def kill_the_worker(in_flight) -> None:
    """Let the worker of the next push stop between the work and its settling."""

    def die() -> None:
        raise SystemExit

    in_flight(die)
    with contextlib.suppress(SystemExit):
        drain()


@pytest.mark.parametrize("way", LOST)
def test_an_answer_that_is_lost(conversion, settings, lost, way):
    lose_the_answer(conversion, settings, way)
    push()
    later()
    push()
    assert fresh(lost).sync_status == Status.SYNCED
    assert remote(conversion) == "UNSUBSCRIBED"
    assert {status for status, _ in log()} == {"UNSUBSCRIBED"}
    assert SubscriptionChange.objects.unfinished().count() == 0


@pytest.mark.parametrize("way", LOST)
def test_an_answer_that_is_lost_of_a_contact_that_is_never_confirmed(
    conversion, settings, lost, way
):
    lose_the_answer(conversion, settings, way)
    write(lost, sync_status=Status.FAILED, due_at=None)
    push()
    assert remote(conversion) == "UNSUBSCRIBED"
    assert len(sent(conversion)) == 1


def test_a_worker_that_was_killed(conversion, lost, in_flight):
    kill_the_worker(in_flight)
    assert conversion.contacts[ANN]["subscriptionStatus"] != "UNSUBSCRIBED"
    later()
    push()
    assert fresh(lost).sync_status == Status.SYNCED
    assert remote(conversion) == "UNSUBSCRIBED"


def test_a_worker_that_was_killed_with_what_can_no_longer_be_sent(conversion, lost, in_flight):
    kill_the_worker(in_flight)
    write(lost, email="no address", key="no address")
    later()
    push()
    assert fresh(lost).sync_status == Status.FAILED
    assert SubscriptionChange.objects.opt_outs().filter(contact=lost).count() == 2


@pytest.mark.parametrize("way", ["reset", "killed"])
def test_a_record_that_is_left_behind_by_a_changed_key(conversion, settings, lost, in_flight, way):
    configured(settings, DELETE_CHANGED_KEYS=False)
    if way == "killed":
        kill_the_worker(in_flight)
    else:
        lose_the_answer(conversion, settings, way)
        SubscriptionChange.objects.filter(sync_status=Status.PENDING).delete()
    lost.email = BOB
    lost.save()
    later()
    push()
    assert remote(conversion) == remote(conversion, BOB) == "UNSUBSCRIBED"


@pytest.mark.parametrize("way", ["reset", "killed"])
def test_a_record_that_is_left_behind_by_a_deletion(conversion, settings, lost, in_flight, way):
    configured(settings, DELETE_REMOTE=False)
    if way == "killed":
        kill_the_worker(in_flight)
    else:
        lose_the_answer(conversion, settings, way)
    Contact.objects.get().delete()
    later()
    push()
    assert not Deletion.objects.exists()
    assert remote(conversion) == "UNSUBSCRIBED"


def test_a_call_in_flight_of_a_record_that_is_left_behind(conversion, settings, lost, in_flight):
    configured(settings, DELETE_REMOTE=False)
    in_flight(Contact.objects.get().delete)
    push()
    assert log()[-1] == ("UNSUBSCRIBED", "PENDING")
    assert sent(conversion, BATCH) == []
    later()
    push()
    assert remote(conversion) == "UNSUBSCRIBED"


def test_a_batch_that_was_refused_after_a_part_of_its_work(conversion, lost):
    contact(BOB)
    conversion.fail("status", status=400, worked=True, path=CONTACTS)
    push()
    assert fresh(lost).sync_status == Status.SYNCED
    assert remote(conversion) == "UNSUBSCRIBED"


def test_sync_now_of_a_record_that_may_be_new(conversion, settings, lost):
    lose_the_answer(conversion, settings, "reset")
    SubscriptionChange.objects.filter(sync_status=Status.PENDING).delete()
    Contact.objects.sync_now()
    push()
    assert remote(conversion) == "UNSUBSCRIBED"


def test_a_record_that_somebody_else_has_made_anew(conversion):
    row = synced_contact(subscription_status="UNSUBSCRIBED")
    conversion.contacts[ANN] |= {"id": "another", "subscriptionStatus": None}
    for name in ("Ann", "Anna"):
        row.first_name = name
        row.save()
        push()
    assert fresh(row).remote_id == "another"
    assert remote(conversion) == "UNSUBSCRIBED"
    assert log() == [("UNSUBSCRIBED", "SYNCED")] * 2


def test_a_record_that_somebody_else_has_made_anew_is_none_of_ours(conversion):
    row, bob = synced_contact(), synced_contact(BOB)
    conversion.contacts[ANN] |= {"id": "another", "subscriptionStatus": "UNSUBSCRIBED"}
    for each in (row, bob):
        each.first_name = "Ann"
        each.save()
    push()
    for each in (row, bob):
        each.subscription_status = "SUBSCRIBED"
        each.save()
    push()
    assert (remote(conversion), remote(conversion, BOB)) == ("UNSUBSCRIBED", "SUBSCRIBED")
    assert fresh(row).remote_created_at is None


def test_at_most_one_is_unsent(conversion, settings, lost):
    # One that is in flight, and fails, would be a second.
    configured(settings, CONCURRENCY=1)
    conversion.fail("503", path=BATCH, count=None)
    for _ in range(4):
        conversion.fail("drop_after", path=CONTACTS)
        drain()
        later()
    assert SubscriptionChange.objects.unfinished().count() == 1


def test_a_contact_whose_record_is_known_has_its_opt_out_told_once(conversion):
    row = synced_contact(subscription_status="UNSUBSCRIBED")
    for name in ("Ann", "Anna"):
        row.first_name = name
        row.save()
        push()
    assert log() == [("UNSUBSCRIBED", "SYNCED")]
    assert len(sent(conversion, BATCH)) == 1


def test_nothing_is_told_where_no_opt_out_stands(conversion, settings):
    row = synced_contact(subscription_status="SUBSCRIBED")
    conversion.reset()
    row.first_name = "Ann"
    row.save()
    lose_the_answer(conversion, settings, "reset")
    later()
    push()
    assert log() == [("SUBSCRIBED", "SYNCED")]


# Other ways out


def test_a_contact_that_was_lost_while_in_flight_and_is_deleted_is_deleted_there_too(
    conversion, lost, in_flight
):
    def lose_and_delete() -> None:
        push_again(fresh(lost), ANN)
        Contact.objects.get().delete()

    in_flight(lose_and_delete)
    push()
    later()
    push()
    assert conversion.contacts == {}


@pytest.mark.parametrize("fault", ["500", "400"])
def test_an_opt_out_in_flight_while_the_key_changes_is_told_to_the_old_record_too(
    conversion, settings, in_flight, fault
):
    configured(settings, DELETE_CHANGED_KEYS=False)
    row = synced_contact()
    row.subscription_status = "UNSUBSCRIBED"
    row.save()
    conversion.fail(fault, path=BATCH)
    in_flight(lambda: Contact.objects.update(email=BOB), "set_subscriptions")
    push()
    SubscriptionChange.objects.retry_failed()
    for _ in range(2):
        later()
        push()
    assert remote(conversion) == remote(conversion, BOB) == "UNSUBSCRIBED"


def test_a_key_that_changes_twice_while_answers_are_lost(conversion, settings, lost):
    configured(settings, DELETE_CHANGED_KEYS=False)
    for address in (BOB, "cy@x.example"):
        conversion.fail("drop_after", path=CONTACTS)
        drain()
        lost.email = address
        lost.save()
    for _ in range(3):
        later()
        push()
    assert {record["subscriptionStatus"] for record in conversion.contacts.values()} == {
        "UNSUBSCRIBED"
    }
    assert set(conversion.contacts) == {ANN, BOB, "cy@x.example"}


def test_a_first_push_whose_answer_is_lost_and_that_is_then_refused(conversion):
    """The record is there, though this row was never confirmed."""
    row = contact(subscription_status="UNSUBSCRIBED")
    conversion.fail("drop_after", path=CONTACTS)
    push()
    assert remote(conversion) == "UNSUBSCRIBED"
    later()
    conversion.fail("400", path=CONTACTS)
    push()
    assert fresh(row).sync_status == Status.FAILED
    assert remote(conversion) == "UNSUBSCRIBED"


@pytest.mark.skipif(connection.vendor != "sqlite", reason="Other databases keep no such time.")
def test_a_line_of_the_log_that_cannot_be_read_stops_no_contact(conversion, lost, in_flight):
    kill_the_worker(in_flight)
    other = contact(BOB)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE conversion_sync_subscriptionchange SET created_at = '2026-13-01 00:00:00'"
        )
    later()
    push()
    assert fresh(other).sync_status == Status.SYNCED
