"""Keys that come back: what is not needed is not sent, and what is needed still is."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from conversion_sync.models import Company, Contact, Deletion, Status
from tests.kit import (
    ANN,
    BOB,
    claimed,
    company,
    contact,
    engagement,
    fresh,
    later,
    log,
    push,
    roll_back,
    sent,
    synced_contact,
    write,
)

pytestmark = pytest.mark.django_db

OTHER, THIRD = "other@x.example", "third@x.example"


def rename(row, *emails):
    for email in emails:
        row.email = email
        row.save()


def deletes(box):
    return [call.path.rpartition("/")[2] for call in box.calls if call.method == "DELETE"]


def created(box, email):
    """When the record came into being, by the name that the vendor gave it then."""
    return box.contacts[email]["id"]


@pytest.mark.parametrize("how", ["save", "update"])
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("pushed", [True, False])
def test_an_opt_out_that_only_the_column_knows_stands_for_both_keys(
    conversion, settings, how, kept, pushed
):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "DELETE_CHANGED_KEYS": not kept}
    row = contact(subscription_status="SUBSCRIBED")
    if pushed:
        push()
    write(row, subscription_status="UNSUBSCRIBED")
    row = fresh(row)
    if how == "save":
        rename(row, BOB)
    else:
        Contact.objects.update(email=BOB)
    push()
    assert fresh(row).subscription_status == "UNSUBSCRIBED"
    assert conversion.contacts[BOB]["subscriptionStatus"] == "UNSUBSCRIBED"
    if pushed and kept:
        assert conversion.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"
    again = contact(ANN)
    push()
    assert fresh(again).subscription_status == "UNSUBSCRIBED"
    assert conversion.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"


@pytest.mark.parametrize("steps", [(BOB, ANN), (BOB, OTHER, ANN), (BOB, ANN, BOB, ANN)])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_key_that_comes_back_before_any_drain_is_not_deleted(conversion, steps, at_once):
    row = synced_contact(first_name="Ann", subscription_status="SUBSCRIBED")
    before, known = created(conversion, ANN), fresh(row)
    if at_once:
        with transaction.atomic():
            rename(row, *steps)
    else:
        rename(row, *steps)
    assert not Deletion.objects.exists()
    found = fresh(row)
    assert (found.key, found.sent_key, found.remote_id) == (ANN, ANN, before)
    assert found.remote_created_at == known.remote_created_at
    assert found.synced_revision == known.synced_revision
    assert not found.remote_is_known  # in doubt: the next push shows
    push()
    assert deletes(conversion) == []
    assert created(conversion, ANN) == before
    assert fresh(row).sync_status == Status.SYNCED
    assert len(sent(conversion)) == 2
    assert len(sent(conversion, "/contacts/batch-subscription")) == 1


def test_what_was_cleared_under_the_other_key_is_cleared_there(conversion):
    row = synced_contact(first_name="Ann", last_name="Lee")
    row.last_name = ""
    rename(row, BOB, ANN)
    push()
    assert conversion.contacts[ANN]["variables"] == {"first_name": "Ann"}


def test_a_company_that_returns_to_its_key_is_not_deleted(conversion):
    row = company("C1", company_name="Lumentum")
    push()
    for external_id in ("C2", "C1"):
        row.external_id = external_id
        row.save()
    assert not Deletion.objects.exists()
    push()
    assert deletes(conversion) == []
    assert set(conversion.companies) == {"C1"}


def test_bulk_changes_that_come_back_delete_nothing(conversion):
    rows = [synced_contact(), synced_contact(BOB)]
    Contact.objects.filter(pk=rows[0].pk).update(email=OTHER)
    Contact.objects.filter(pk=rows[0].pk).update(email=ANN)
    for emails in ((OTHER, THIRD), (ANN, BOB)):
        for row, email in zip(rows, emails, strict=True):
            row.email = email
        Contact.objects.bulk_update(rows, ["email"])
    assert not Deletion.objects.exists()
    push()
    assert deletes(conversion) == []
    assert set(conversion.contacts) == {ANN, BOB}


def test_rows_swap_their_keys_in_one_statement(conversion):
    ann, bob = synced_contact(first_name="Ann", title="Boss"), synced_contact(BOB, first_name="Bob")
    ann.email, bob.email = BOB, ANN
    Contact.objects.bulk_update([ann, bob], ["email"])
    assert (fresh(ann).key, fresh(bob).key) == (BOB, ANN)
    push()
    # Each record belonged to the other person: nothing of that may stay.
    assert sorted(deletes(conversion)) == ["ann%40x.example", "bob%40x.example"]
    assert conversion.contacts[BOB]["variables"] == {"first_name": "Ann", "title": "Boss"}
    assert conversion.contacts[ANN]["variables"] == {"first_name": "Bob"}


def test_a_swap_that_is_swapped_back_deletes_nothing(conversion):
    ann, bob = synced_contact(first_name="Ann"), synced_contact(BOB, first_name="Bob")
    before = {email: created(conversion, email) for email in (ANN, BOB)}
    for emails in ((BOB, ANN), (ANN, BOB)):
        ann.email, bob.email = emails
        Contact.objects.bulk_update([ann, bob], ["email"])
    push()
    assert deletes(conversion) == []
    assert {email: created(conversion, email) for email in (ANN, BOB)} == before


def test_a_swap_by_way_of_a_third_key_and_back_deletes_nothing(conversion):
    ann, bob = synced_contact(), synced_contact(BOB)
    rename(ann, THIRD)
    rename(bob, ANN)
    rename(ann, BOB)
    assert Deletion.objects.count() == 2
    rename(bob, THIRD)
    rename(ann, ANN)
    rename(bob, BOB)
    assert not Deletion.objects.exists()
    push()
    assert deletes(conversion) == []


def test_a_failed_swap_changes_nothing(conversion):
    ann, bob = synced_contact(), synced_contact(BOB)
    contact(OTHER)
    ann.email, bob.email = BOB, OTHER
    with pytest.raises(IntegrityError), transaction.atomic():
        Contact.objects.bulk_update([ann, bob], ["email"])
    assert (fresh(ann).key, fresh(bob).key) == (ANN, BOB)
    assert not Deletion.objects.exists()


def test_a_key_that_another_row_takes_is_deleted_first(conversion):
    row = synced_contact(first_name="Ann", title="Boss")
    rename(row, BOB)
    other = contact(first_name="Anna")
    assert Deletion.objects.get().key == ANN
    push()
    assert deletes(conversion) == ["ann%40x.example"]
    assert conversion.contacts[ANN]["variables"] == {"first_name": "Anna"}
    assert fresh(other).sync_status == Status.SYNCED


def test_a_key_that_another_row_has_had_meanwhile_comes_back(conversion):
    row = synced_contact(first_name="Ann")
    before = created(conversion, ANN)
    rename(row, BOB)
    other = contact(first_name="Anna")
    rename(other, OTHER)
    rename(row, ANN)
    push()
    assert deletes(conversion) == []
    assert created(conversion, ANN) == before
    assert set(conversion.contacts) == {ANN, OTHER}


def test_a_key_that_was_sent_meanwhile_is_deleted_and_the_first_is_not(conversion):
    row = synced_contact(first_name="Ann")
    before = created(conversion, ANN)
    rename(row, BOB)
    write(Deletion.objects.get(), due_at=None)  # the lease of a call, say
    push()
    assert set(conversion.contacts) == {ANN, BOB}
    rename(row, ANN)
    assert Deletion.objects.get().key == BOB
    rename(row, BOB, ANN)
    assert Deletion.objects.get().key == BOB
    push()
    assert deletes(conversion) == ["bob%40x.example"]
    assert created(conversion, ANN) == before


def test_a_deletion_that_is_claimed_is_done_and_the_record_comes_again(conversion):
    row = synced_contact(first_name="Ann")
    rename(row, BOB)
    claimed(Deletion.objects.get())
    rename(row, ANN)
    assert fresh(row).sent_key is None
    assert Deletion.objects.exists()
    later()
    push()
    assert deletes(conversion) == ["ann%40x.example"]
    assert conversion.contacts[ANN]["variables"] == {"first_name": "Ann"}


@pytest.mark.parametrize("status", [Status.FAILED, Status.PENDING])
def test_a_deletion_that_has_not_arrived_is_withdrawn(conversion, status):
    row = synced_contact(first_name="Ann")
    rename(row, BOB)
    conversion.fail("400" if status == Status.FAILED else "500", method="DELETE")
    push()
    assert Deletion.objects.get().sync_status == status
    rename(row, ANN)
    conversion.fail("400", method="DELETE")
    push()
    assert [each.key for each in Deletion.objects.all()] == [BOB]
    assert fresh(row).sync_status == Status.SYNCED


def test_a_key_that_comes_back_while_it_is_being_sent_is_sent_again(conversion, in_flight):
    row = contact(first_name="Ann")
    stale = Contact.objects.get(pk=row.pk)
    in_flight(lambda: rename(stale, BOB, ANN))
    push()
    assert deletes(conversion) == []
    assert len(sent(conversion)) == 2
    assert fresh(row).remote_is_known


def test_a_return_that_is_rolled_back_withdraws_nothing(conversion):
    row = synced_contact()
    rename(row, BOB)
    roll_back(lambda: rename(Contact.objects.get(), ANN))
    assert Deletion.objects.get().key == ANN
    push()
    assert set(conversion.contacts) == {BOB}


def test_a_standing_opt_out_stands_after_a_return(conversion):
    row = synced_contact(subscription_status="UNSUBSCRIBED")
    rename(row, BOB, ANN)
    push()
    assert conversion.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"
    assert fresh(row).subscription_status == "UNSUBSCRIBED"


def test_an_opt_out_at_the_other_key_goes_along(conversion):
    row = synced_contact(subscription_status="SUBSCRIBED")
    rename(row, BOB)
    row.subscription_status = "UNSUBSCRIBED"
    row.save()
    rename(row, ANN)
    push()
    assert conversion.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"
    assert ("UNSUBSCRIBED", "SYNCED") in log()


def test_who_is_deleted_and_entered_again_is_a_new_record(conversion):
    row = synced_contact(first_name="Ann", title="Boss", subscription_status="UNSUBSCRIBED")
    engagement(row)
    before = created(conversion, ANN)
    with transaction.atomic():
        row.delete()
        again = contact(first_name="Ann")
    push()
    # Who deletes means it: nothing of the old record stays but the opt-out.
    assert deletes(conversion) == ["ann%40x.example"]
    assert created(conversion, ANN) != before
    assert conversion.contacts[ANN]["variables"] == {"first_name": "Ann"}
    assert conversion.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"
    assert fresh(again).sync_status == Status.SYNCED


def test_what_was_known_is_kept_no_longer_than_it_may_be_needed(conversion):
    row = synced_contact(first_name="Ann")
    rename(row, BOB)
    known = Deletion.objects.get().forgotten
    assert known
    assert known["sent_payload"]["key"] == ANN
    push()
    assert Deletion.objects.get().forgotten is None
    row.delete()
    assert Deletion.objects.latest("pk").forgotten is None


def test_a_company_leaves_no_trace_in_a_contact_of_the_same_key(conversion):
    row = synced_contact("c1@x.example")
    firm = company("c1@x.example")
    push()
    rename(row, BOB)
    firm.external_id = "C2"
    firm.save()
    rename(row, "c1@x.example")
    assert [(each.kind, each.key) for each in Deletion.objects.all()] == [
        ("company", "c1@x.example")
    ]
    assert Company.objects.get().sent_key is None
