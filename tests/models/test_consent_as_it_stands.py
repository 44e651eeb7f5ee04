"""The column of a contact says what stands in the log; a later wish is shown beside it."""

from __future__ import annotations

import pytest
from django.db import transaction

from conversion_sync.models import Contact, Status, Subscription, SubscriptionChange, attributed
from conversion_sync.models.consent import consents, has_held_wish
from conversion_sync.status.messages import in_words
from tests.kit import ANN, BOB, contact, fresh, later, push, synced_contact, write

pytestmark = pytest.mark.django_db

OUT, IN, ASKED = Subscription.UNSUBSCRIBED, Subscription.SUBSCRIBED, Subscription.PENDING


def stands(row: Contact) -> str:
    """What the column says; it agrees with the log."""
    row = fresh(row)
    [opt_out] = SubscriptionChange.standing_opt_outs("default", [(row.pk, row.wanted_key)])
    assert (row.subscription_status == OUT) == (opt_out is not None)
    return str(row.subscription_status)


def wish(row: Contact) -> SubscriptionChange | None:
    """The wish that is not let through; the condition in the database says the same of it."""
    row = fresh(row)
    [consent] = consents("default", [(row.pk, row.wanted_key)])
    held = consent.wish
    found = Contact.objects.filter(has_held_wish("default"), pk=row.pk).exists()
    assert found == (held is not None and row.subscription_status == OUT)
    return held


def by_save(row: Contact, status: str) -> None:
    row = fresh(row)
    row.subscription_status = status
    row.save()
    assert row.subscription_status == fresh(row).subscription_status


def by_update(row: Contact, status: str) -> None:
    Contact.objects.filter(pk=row.pk).update(subscription_status=status)


def by_bulk_update(row: Contact, status: str) -> None:
    row = fresh(row)
    row.subscription_status = status
    Contact.objects.bulk_update([row], ["subscription_status"])


def by_update_or_create(row: Contact, status: str) -> None:
    Contact.objects.update_or_create(
        email=row.email.upper(), defaults={"subscription_status": status}
    )


WAYS = [by_save, by_update, by_bulk_update, by_update_or_create]
each_way = pytest.mark.parametrize("assign", WAYS)


@each_way
@pytest.mark.parametrize("status", [IN, ASKED])
def test_a_wish_after_an_opt_out_is_in_the_log_and_the_column_says_what_stands(assign, status):
    row = contact(subscription_status=OUT)
    assign(row, status)
    assert stands(row) == OUT
    assert [change.status for change in changes(row)] == [OUT, status]
    assert wish(row) == changes(row)[-1]


@each_way
def test_a_wish_that_is_in_the_log_is_not_entered_again(assign):
    row = contact(subscription_status=OUT)
    for _ in range(3):
        assign(row, IN)
    assert [change.status for change in changes(row)] == [OUT, IN]


@each_way
def test_a_wish_is_withdrawn_by_saying_so(assign):
    row = contact(subscription_status=OUT)
    assign(row, IN)
    for _ in range(2):
        assign(row, OUT)
    assert [change.status for change in changes(row)] == [OUT, IN, OUT]
    assert (stands(row), wish(row)) == (OUT, None)


@each_way
def test_an_opt_out_can_not_be_blanked(assign):
    row = contact(subscription_status=OUT)
    assign(row, "")
    assert stands(row) == OUT
    assert len(changes(row)) == 1


@each_way
def test_an_override_is_what_stands_from_its_entry_on(assign):
    row = contact(subscription_status=OUT)
    assign(row, IN)
    with attributed(override=True, reason="She asked."):
        assign(row, IN)
    assert (stands(row), wish(row)) == (IN, None)
    assert [change.override for change in changes(row)] == [False, False, True]


@each_way
def test_an_opt_out_of_which_only_the_column_knows_stands_like_any_other(assign):
    row = contact()
    write(row, subscription_status=OUT)
    assign(row, IN)
    assert stands(row) == OUT
    assert [change.status for change in changes(row)] == [OUT, IN]


@each_way
def test_an_opt_out_that_the_log_has_lost_is_entered_when_it_is_said_again(assign):
    row = contact()
    write(row, subscription_status=OUT)
    assign(row, OUT)
    assert stands(row) == OUT
    assert [change.status for change in changes(row)] == [OUT]
    assign(row, OUT)
    assert len(changes(row)) == 1


def test_the_log_counts_where_the_column_is_wrong():
    row = contact(subscription_status=OUT)
    write(row, subscription_status=IN)
    by_save(row, IN)
    assert stands(row) == OUT


def test_an_instance_says_what_stands_after_its_save():
    row = contact(subscription_status=OUT)
    row.subscription_status = IN
    row.save()
    assert row.subscription_status == OUT
    row.first_name = "Ann"
    row.save()
    assert [change.status for change in changes(row)] == [OUT, IN]


@pytest.mark.django_db(transaction=True)
def test_an_instance_whose_save_was_rolled_back_still_has_its_wish_to_write():
    row = contact(subscription_status=OUT)
    row.subscription_status = IN
    with transaction.atomic():
        row.save()
        assert row.subscription_status == OUT
        transaction.set_rollback(True)
    assert row.subscription_status == IN
    row.save()
    assert [change.status for change in changes(row)] == [OUT, IN]


@pytest.mark.parametrize("status", ["", IN, ASKED, OUT])
@pytest.mark.parametrize("way", ["create", "bulk_create"])
def test_a_new_contact_at_an_address_that_has_opted_out_is_unsubscribed(status, way):
    contact(subscription_status=OUT).delete()
    row = Contact(email="ANN@x.example", subscription_status=status)
    if way == "create":
        row.save()
    else:
        Contact.objects.bulk_create([row])
    assert row.subscription_status == OUT
    assert stands(row) == OUT
    assert (wish(row) is not None) == (status in (IN, ASKED))


def test_an_opt_out_by_address_stands_for_the_contact_that_is_there():
    row = contact(subscription_status=IN)
    SubscriptionChange.enter("default", [SubscriptionChange(address=ANN, status=OUT)])
    assert stands(row) == OUT


def test_a_change_that_code_enters_in_the_log_itself_is_followed():
    row = contact(subscription_status=IN)
    SubscriptionChange.objects.create(contact=row, address=ANN, status=OUT)
    assert stands(row) == OUT
    SubscriptionChange.objects.bulk_create(
        [SubscriptionChange(contact=row, address=ANN, status=IN, override=True)]
    )
    assert stands(row) == IN


# What is sent


def test_a_blocked_wish_is_held_and_an_override_lets_it_through(conversion):
    row = synced_contact(subscription_status=OUT)
    by_save(row, IN)
    push()
    assert stands(row) == OUT
    held = wish(row)
    assert held is not None
    assert (held.sync_status, held.last_error_code) == (Status.FAILED, "CONSENT_BLOCKED")
    with attributed(override=True, reason="She asked."):
        by_save(row, IN)
    assert stands(row) == IN
    push()
    assert (stands(row), wish(row)) == (IN, None)
    assert conversion.contacts[ANN]["subscriptionStatus"] == IN


def test_an_opt_out_that_only_conversion_knows_is_what_stands(conversion):
    row = synced_contact(subscription_status=ASKED)
    write(row, remote_created_at=None)
    conversion.contacts[ANN]["subscriptionStatus"] = OUT
    by_save(row, IN)
    assert stands(row) == IN
    push()
    assert stands(row) == OUT


def test_an_override_that_conversion_refuses_lifts_nothing_until_it_is_tried_again(conversion):
    row = synced_contact(subscription_status=OUT)
    with attributed(override=True, reason="She asked."):
        by_save(row, IN)
    override = changes(row)[-1]
    conversion.fail("400", code="VALIDATION_ERROR", path="/contacts/batch-subscription", count=None)
    push()
    assert fresh(override).sync_status == Status.FAILED
    assert stands(row) == OUT
    assert wish(row) == override
    SubscriptionChange.objects.filter(pk=override.pk).retry_failed()
    assert (stands(row), wish(row)) == (IN, None)


def test_an_override_that_is_superseded_lifts_nothing(conversion):
    row = synced_contact(subscription_status=OUT)
    with attributed(override=True, reason="She asked."):
        by_save(row, IN)
    by_save(row, ASKED)
    push()
    later()
    push()
    stands(row)


# Other addresses


def test_a_contact_that_moves_to_an_address_that_has_opted_out_is_unsubscribed():
    contact(subscription_status=OUT).delete()
    row = contact(BOB, subscription_status=IN)
    row.email = ANN
    row.save()
    assert stands(row) == OUT


def test_who_opted_out_at_an_address_stays_so_at_the_next_one(conversion):
    contact(subscription_status=OUT).delete()
    row = synced_contact()
    assert stands(row) == OUT
    row.email = BOB
    row.save()
    assert stands(row) == OUT
    push()
    assert conversion.contacts[BOB]["subscriptionStatus"] == OUT


def test_the_opt_out_of_another_at_an_address_is_left_behind_there(conversion):
    ann, bob = synced_contact(subscription_status=OUT), synced_contact(BOB, subscription_status=IN)
    ann.email = "c@x.example"
    ann.save()
    bob.email = ANN
    bob.save()
    assert (stands(ann), stands(bob)) == (OUT, OUT)
    bob.email = BOB
    bob.save()
    assert (stands(ann), stands(bob)) == (OUT, IN)


@pytest.mark.parametrize("status", ["", ASKED])
def test_who_leaves_such_an_address_has_what_was_said_before(conversion, status):
    ann = synced_contact(subscription_status=OUT)
    ann.email = "c@x.example"
    ann.save()
    bob = contact(ANN, subscription_status=status)
    assert stands(bob) == OUT
    bob.email = BOB
    bob.save()
    assert stands(bob) == status


def changes(row: Contact) -> list[SubscriptionChange]:
    """The log of a contact, from the oldest on."""
    return list(SubscriptionChange.objects.filter(contact=row).order_by("pk"))


@each_way
@pytest.mark.parametrize("spelled", ["unsubscribed", " Unsubscribed ", "UNSUBSCRIBED\n"])
def test_an_opt_out_is_one_however_it_is_spelled(conversion, assign, spelled):
    row = synced_contact(subscription_status=IN)
    assign(row, spelled)
    assert stands(row) == OUT
    push()
    assert conversion.contacts[ANN]["subscriptionStatus"] == OUT


def test_so_is_one_that_a_new_contact_brings(conversion):
    contact(subscription_status="Unsubscribed")
    Contact.objects.bulk_create([Contact(email=BOB, subscription_status="unsubscribed")])
    push()
    statuses = {email: found["subscriptionStatus"] for email, found in conversion.contacts.items()}
    assert statuses == {ANN: OUT, BOB: OUT}


@each_way
def test_a_word_that_is_no_status_fails_and_says_so(conversion, assign):
    row = synced_contact()
    assign(row, "BOGUS")
    push()
    [change] = SubscriptionChange.objects.all()
    assert (change.sync_status, change.last_error_code) == (Status.FAILED, "VALIDATION_ERROR")
    assert in_words(change.last_error_message) == "There is no such subscription status."
    assign(row, OUT)
    push()
    assert conversion.contacts[ANN]["subscriptionStatus"] == OUT


@pytest.mark.parametrize("in_bulk", [False, True])
def test_an_opt_out_that_only_the_column_knows_outlives_its_contact(conversion, in_bulk):
    """Raw SQL or a restore wrote it, and the contact is deleted before anybody compares."""
    row = synced_contact(subscription_status=IN)
    Contact.unmarked.filter(pk=row.pk).update(subscription_status=OUT)
    if in_bulk:
        Contact.objects.all().delete()
    else:
        fresh(row).delete()
    push()
    back = contact(subscription_status=IN)
    push()
    assert stands(back) == OUT
    assert conversion.contacts[ANN]["subscriptionStatus"] == OUT
