"""Contacts: their key, and what a change of it entails."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from conversion_sync.models import Contact, Deletion, Status, attributed
from conversion_sync.models.clock import db_now
from tests.kit import (
    ANN,
    BOB,
    MINUTE,
    claimed,
    contact,
    engagement,
    fresh,
    later,
    push,
    sent,
    synced_contact,
    write,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("email", [" Ann@X.example ", "ANN@X.EXAMPLE", "ann@x.example\n"], ids=repr)
def test_a_contact_is_known_by_its_email_stripped_in_lower_case(email):
    assert contact(email).key == ANN


def test_a_contact_is_known_by_its_email_composed():
    assert contact("re\u0301ne@x.example").key == "r\u00e9ne@x.example"


def test_two_contacts_have_never_the_same_key():
    contact()
    with pytest.raises(IntegrityError), transaction.atomic():
        contact("ANN@X.example")
    bob = contact(BOB)
    bob.email = "Ann@x.example"
    with pytest.raises(IntegrityError), transaction.atomic():
        bob.save()
    assert set(Contact.objects.values_list("key", flat=True)) == {ANN, BOB}


def test_a_contact_says_what_is_wrong_at_the_field():
    contact()
    row = Contact(
        email="Ann@X.example",
        external_contact=["crm-1"],
        custom_variables={"title": "Boss"},
        subscription_status="MAYBE",
        linkedin_url="nowhere",
    )
    with pytest.raises(ValidationError) as caught:
        row.full_clean()
    said = caught.value.message_dict
    assert set(said) == {
        "email",
        "external_contact",
        "custom_variables",
        "subscription_status",
        "linkedin_url",
    }
    assert said["email"] == [
        "There is already a contact with this email (capitals make no difference)."
    ]
    assert "“title” has a field of its own" in said["custom_variables"][0]


def test_an_email_that_is_none_is_said_at_the_field():
    with pytest.raises(ValidationError) as caught:
        Contact(email="ann").full_clean()
    assert set(caught.value.message_dict) == {"email"}


def test_variables_that_are_no_object_are_said_at_the_field():
    with pytest.raises(ValidationError) as caught:
        Contact(email=ANN, custom_variables=["title"]).full_clean()
    assert set(caught.value.message_dict) == {"custom_variables"}


def test_a_contact_may_be_cleaned_as_it_is():
    contact().full_clean()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({}, ANN),
        ({"first_name": "Ann"}, f"Ann <{ANN}>"),
        ({"first_name": "Ann", "last_name": "Lee"}, f"Ann Lee <{ANN}>"),
    ],
)
def test_a_contact_is_called_by_its_name_and_email(names, said):
    assert str(contact(**names)) == said


# Keys


def test_a_changed_email_moves_the_record(conversion):
    row = synced_contact(first_name="Ann")
    row.email = "Anna@x.example"
    with attributed(requested_by="Eve"):
        row.save()
    deletion = Deletion.objects.get()
    assert (deletion.key, deletion.kind, deletion.successor) == (ANN, "contact", row)
    assert deletion.requested_by == "Eve"
    found = fresh(row)
    assert (found.sent_key, found.sent_revision, found.synced_revision) == (None, None, 0)
    assert (found.remote_id, found.remote_created_at, found.sent_payload) == ("", None, None)
    push()
    assert list(conversion.contacts) == ["anna@x.example"]
    assert conversion.contacts["anna@x.example"]["variables"] == {"first_name": "Ann"}


def test_another_spelling_of_the_email_moves_nothing(conversion):
    row = synced_contact()
    row.email = "ANN@x.example"
    row.save()
    push()
    assert not Deletion.objects.exists()
    assert len(sent(conversion)) == 1


def test_an_email_that_was_never_sent_leaves_no_deletion():
    row = contact()
    row.email = BOB
    row.save()
    row.delete()
    assert not Deletion.objects.exists()


def test_a_key_that_may_have_been_sent_leaves_a_deletion(conversion):
    row = contact()
    conversion.fail("drop_after")
    push()
    assert fresh(row).synced_revision == 0
    row.delete()
    push()
    assert conversion.contacts == {}


def test_what_was_sent_is_decided_on_the_row_and_not_from_memory(conversion):
    stale = fresh(contact())
    push()
    stale.email = BOB
    stale.save()
    assert Deletion.objects.get().key == ANN
    push()
    assert list(conversion.contacts) == [BOB]


def test_a_key_changed_in_flight_is_deleted_only_when_the_lease_is_over(conversion, in_flight):
    row = contact()

    def change():
        Contact.objects.filter(pk=row.pk).update(email=BOB)

    in_flight(change)
    push()
    assert list(conversion.contacts) == [ANN, BOB]
    assert fresh(row).sync_status == Status.SYNCED
    # not before the lease is over
    assert Deletion.objects.filter(due_at__gt=db_now("default") + 0.8 * MINUTE).exists()
    later()
    push()
    assert list(conversion.contacts) == [BOB]


def test_a_key_that_comes_back_in_flight_is_known_there_in_the_end(conversion, in_flight):
    row = contact()

    def change():
        for email in (BOB, ANN):
            Contact.objects.filter(pk=row.pk).update(email=email)

    in_flight(change)
    push()
    assert fresh(row).sync_status == Status.SYNCED
    assert conversion.contacts[ANN]["id"] == fresh(row).remote_id
    assert not [call for call in conversion.calls if call.method == "DELETE"]


def test_a_contact_waits_for_the_deletion_of_its_key_and_then_arrives(conversion):
    row = synced_contact(first_name="Ann", title="Boss")
    first = row.remote_id
    row.delete()
    again = contact(first_name="Ann")
    conversion.fail("500", method="DELETE")
    push()
    assert fresh(again).sync_status == Status.PENDING
    assert conversion.contacts[ANN]["id"] == first
    later()
    push()
    assert conversion.contacts[ANN]["variables"] == {"first_name": "Ann"}
    assert conversion.contacts[ANN]["id"] == fresh(again).remote_id != first


def test_with_keys_kept_the_old_one_is_forgotten_and_nothing_is_deleted(conversion, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "DELETE_CHANGED_KEYS": False}
    row = synced_contact()
    row.email = BOB
    row.save()
    assert fresh(row).sent_key is None
    assert Deletion.objects.get().only_asks
    push()
    assert list(conversion.contacts) == [ANN, BOB]
    assert Deletion.objects.get().sync_status == Status.SYNCED


def test_with_records_kept_a_deleted_contact_stays_there(conversion, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "DELETE_REMOTE": False}
    synced_contact().delete()
    push()
    assert list(conversion.contacts) == [ANN]


# Who waits for whom


def test_a_person_who_waits_for_an_engagement_waits_for_its_contact():
    with attributed(bulk=True):
        row = contact()
    engagement(row)
    assert fresh(row).priority == 0


def test_nobody_waits_for_the_contact_of_an_engagement_in_bulk():
    with attributed(bulk=True):
        row = contact()
        engagement(row)
    assert fresh(row).priority == 1


def test_a_person_who_waits_for_a_contact_waits_for_the_deletion_of_its_key():
    with attributed(bulk=True):
        blocker = Deletion.objects.create(kind="contact", key=ANN)
        row = contact()
    assert fresh(blocker).priority == 1
    engagement(row)
    assert fresh(blocker).priority == 0


def test_a_deletion_in_flight_keeps_its_claim_when_somebody_waits_for_it():
    blocker = Deletion.objects.create(kind="contact", key=ANN)
    claimed(blocker, priority=1)
    contact()
    assert (fresh(blocker).sync_status, fresh(blocker).priority) == (Status.SENDING, 0)


def test_a_contact_that_has_arrived_is_not_made_urgent(conversion):
    row = synced_contact()
    write(row, priority=1)
    engagement(row)
    assert fresh(row).priority == 1
