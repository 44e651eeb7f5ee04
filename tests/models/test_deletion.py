"""Deletions: what they hold up, and how staff let it go."""

from __future__ import annotations

import pytest

from conversion_sync.models import Company, Contact, Deletion, Status, attributed
from tests.kit import ANN, contact, fresh, later, push, synced_contact, write

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
