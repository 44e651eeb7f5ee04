"""Deletions: what they hold up, and how staff let it go."""

from __future__ import annotations

import pytest

from conversion_sync.models import (
    Company,
    Contact,
    Deletion,
    Status,
    SubscriptionChange,
    attributed,
)
from conversion_sync.models.clock import db_now
from tests.kit import ANN, BOB, MINUTE, contact, fresh, later, log, push, synced_contact, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def refused(conversion) -> Deletion:
    """A deletion that the API refuses."""
    synced_contact(first_name="Ann").delete()
    conversion.fail("400", method="DELETE")
    push()
    row = Deletion.objects.get()
    assert row.sync_status == Status.FAILED
    return row


@pytest.mark.parametrize(
    ("status", "is_open"),
    [
        ("PENDING", True),
        ("SENDING", True),
        ("FAILED", True),
        ("SYNCED", False),
        ("SUPERSEDED", False),
    ],
)
def test_a_deletion_holds_up_its_key_until_it_has_arrived(status, is_open):
    row = Deletion.objects.create(kind="contact", key=ANN)
    write(row, sync_status=status)
    assert Deletion.objects.open().exists() is is_open


def test_a_deletion_that_failed_holds_up_its_key_until_staff_retry_it(conversion, refused):
    row = contact(title="Boss")
    push()
    assert fresh(row).sync_status == Status.PENDING
    assert conversion.contacts[ANN]["variables"] == {"first_name": "Ann"}
    Deletion.objects.retry_failed()
    push()
    assert fresh(refused).sync_status == Status.SYNCED
    assert conversion.contacts[ANN]["variables"] == {"title": "Boss"}


def test_a_deletion_that_failed_holds_up_its_key_until_staff_discard_it(conversion, refused):
    row = contact(title="Boss")
    push()
    assert Deletion.objects.discard_failed() == 1
    push()
    assert fresh(row).sync_status == Status.SYNCED
    assert conversion.contacts[ANN]["variables"] == {"first_name": "Ann", "title": "Boss"}


def test_an_opt_out_behind_a_deletion_that_failed_goes_by_its_address(conversion, refused):
    """The first push of its contact waits for staff; the opt-out does not."""
    row = contact(subscription_status="UNSUBSCRIBED")
    push()
    assert fresh(row).sync_status == Status.PENDING
    assert log() == [("UNSUBSCRIBED", "SYNCED")]
    assert conversion.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"
    Deletion.objects.retry_failed()
    push()
    assert conversion.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"


def test_an_opt_out_that_waited_is_looked_at_when_the_deletion_fails(conversion):
    synced_contact().delete()
    deletion = Deletion.objects.get()
    write(deletion, due_at=db_now("default") + MINUTE)
    contact(subscription_status="UNSUBSCRIBED")
    push()
    assert log() == [("UNSUBSCRIBED", "PENDING")]
    conversion.fail("400", method="DELETE")
    write(deletion, due_at=db_now("default"))
    push()
    assert fresh(deletion).sync_status == Status.FAILED
    assert log() == [("UNSUBSCRIBED", "SYNCED")]


def test_any_other_change_waits_for_its_contact_behind_a_deletion_that_failed(conversion, refused):
    contact(subscription_status="SUBSCRIBED")
    push()
    assert log() == [("SUBSCRIBED", "PENDING")]


@pytest.mark.parametrize("changed", [True, False], ids=["changed key", "deleted"])
def test_of_a_discarded_deletion_the_opt_out_there_is_still_asked_for(conversion, changed):
    row = synced_contact(subscription_status="SUBSCRIBED")
    if changed:
        row.email = BOB
        row.save()
    else:
        row.delete()
    deletion = Deletion.objects.get()
    write(deletion, sync_status=Status.FAILED, due_at=None, last_error_code="FORBIDDEN")
    conversion.set_status(ANN, "UNSUBSCRIBED")
    assert Deletion.objects.discard_failed() == 1
    push()
    later()
    push()
    assert ANN in conversion.contacts
    assert ("UNSUBSCRIBED", "SYNCED") in log(ANN)
    if changed:
        assert conversion.contacts[BOB]["subscriptionStatus"] == "UNSUBSCRIBED"
        assert fresh(row).subscription_status == "UNSUBSCRIBED"
    assert fresh(deletion).sync_status == Status.SYNCED
    assert fresh(deletion).last_error_code == ""


def test_a_question_that_failed_is_discarded_for_good(conversion, refused):
    Deletion.objects.discard_failed()
    conversion.fail("400", method="GET")
    push()
    assert fresh(refused).sync_status == Status.FAILED
    assert Deletion.objects.discard_failed() == 1
    assert not Deletion.objects.exists()


def test_the_deletion_of_a_company_is_discarded_for_good():
    row = Deletion.objects.create(kind="company", key="C1")
    write(row, sync_status=Status.FAILED, due_at=None)
    assert Deletion.objects.discard_failed() == 1
    assert not Deletion.objects.exists()


def test_only_failed_deletions_are_discarded(conversion):
    synced_contact().delete()
    assert Deletion.objects.discard_failed() == 0
    push()
    assert conversion.contacts == {}


def test_the_deletion_of_what_is_not_there_has_arrived(conversion):
    synced_contact().delete()
    conversion.reset()
    push()
    assert Deletion.objects.get().sync_status == Status.SYNCED


def test_a_page_that_was_not_found_deletes_nothing(conversion):
    synced_contact().delete()
    conversion.fail("html", status=404, method="DELETE")
    push()
    assert Deletion.objects.get().sync_status == Status.PENDING
    assert ANN in conversion.contacts
    later()
    push()
    assert conversion.contacts == {}


def test_who_deleted_is_kept_and_how_urgent_it_is(conversion):
    row = synced_contact()
    with attributed(requested_by="Eve", bulk=True):
        row.delete()
    deletion = Deletion.objects.get()
    assert (deletion.requested_by, deletion.priority, str(deletion)) == ("Eve", 1, ANN)


def test_a_deletion_by_a_person_is_urgent(conversion):
    synced_contact()
    Contact.objects.get().delete()
    assert Deletion.objects.get().priority == 0


def test_a_company_may_have_the_key_of_a_deleted_contact(conversion):

    Deletion.objects.create(kind="contact", key="C1")
    Deletion.unmarked.update(sync_status=Status.FAILED, due_at=None)
    row = Company.objects.create(external_id="C1")
    push()
    assert fresh(row).sync_status == Status.SYNCED


@pytest.mark.parametrize("delete", [Contact.delete, lambda row: Contact.objects.all().delete()])
def test_an_opt_out_said_at_a_former_address_stands_for_that_of_a_deleted_contact(delete):
    """Nothing was sent to the new address yet: only the contact said for whom it stands."""
    row = contact(BOB, subscription_status="UNSUBSCRIBED")
    SubscriptionChange.unmarked.update(sync_status="SYNCED", due_at=None)
    row.email = ANN
    row.save()
    assert not SubscriptionChange.objects.filter(address=ANN).exists()
    delete(row)
    assert contact(ANN, subscription_status="SUBSCRIBED").subscription_status == "UNSUBSCRIBED"
