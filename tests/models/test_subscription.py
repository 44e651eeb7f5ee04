"""The consent log: what is entered, and which opt-out stands."""

from __future__ import annotations

import pytest

from conversion_sync.models import (
    Contact,
    Status,
    Subscription,
    SubscriptionChange,
    attributed,
)
from conversion_sync.models.attribution import on_behalf_of
from conversion_sync.models.state import BULK, PERSON
from tests.kit import ANN, BOB, claimed, contact, fresh, log, push, synced_contact, write

pytestmark = pytest.mark.django_db


def standing(address: str = ANN, of: Contact | None = None) -> SubscriptionChange | None:
    people = [(of.pk if of else None, address)]
    return SubscriptionChange.standing_opt_outs("default", people)[0]


def entered(status: str, *, of: Contact | None = None, **columns: object) -> SubscriptionChange:
    """A change that was entered, and has come so far as ``columns`` say."""
    row = SubscriptionChange.objects.create(contact=of, address=ANN, status=status)
    write(row, **columns)
    return row


# What is entered


def test_a_new_contact_enters_its_consent():
    row = contact(subscription_status="SUBSCRIBED")
    change = SubscriptionChange.objects.get()
    assert (change.contact, change.address) == (row, ANN)
    assert (change.status, change.previous_status) == ("SUBSCRIBED", "")
    assert str(change) == f"{ANN}: Subscribed"


def test_contacts_created_in_bulk_enter_their_consent():
    Contact.objects.bulk_create(
        [Contact(email=ANN, subscription_status="PENDING"), Contact(email=BOB)]
    )
    assert log() == [("PENDING", "PENDING")]
    assert log(BOB) == []


def test_who_changed_a_subscription_and_why_is_kept():
    row = contact()
    row.subscription_status = "UNSUBSCRIBED"
    with attributed(requested_by="Eve", source="phone", reason="She asked us."):
        row.save()
    change = SubscriptionChange.objects.get()
    assert (change.requested_by, change.source, change.reason) == ("Eve", "phone", "She asked us.")


def test_a_status_that_is_the_same_enters_nothing():
    row = contact(subscription_status="SUBSCRIBED")
    row.subscription_status = "SUBSCRIBED"
    row.save()
    assert len(log()) == 1


def test_a_status_that_is_no_longer_ours_to_say_is_kept_and_not_entered():
    row = contact(subscription_status="SUBSCRIBED")
    row.subscription_status = ""
    row.save()
    assert fresh(row).subscription_status == ""
    assert len(log()) == 1


def test_an_opt_out_is_urgent_even_in_bulk_and_so_is_its_contact():
    with attributed(bulk=True):
        out = contact(subscription_status="UNSUBSCRIBED")
        into = contact(BOB, subscription_status="SUBSCRIBED")
    assert list(SubscriptionChange.objects.order_by("pk").values_list("priority", flat=True)) == [
        PERSON,
        BULK,
    ]
    assert (fresh(out).priority, fresh(into).priority) == (PERSON, BULK)


def test_an_opt_out_overrides_nothing():
    with attributed(override=True, reason="Asked."):
        row = contact(subscription_status="SUBSCRIBED")
        row.subscription_status = "UNSUBSCRIBED"
        row.save()
    assert list(SubscriptionChange.objects.order_by("pk").values_list("override", flat=True)) == [
        True,
        False,
    ]


# Which opt-out stands


@pytest.mark.parametrize("status", Status.values)
def test_an_opt_out_stands_wherever_its_own_sending_stands(status):
    out = entered("UNSUBSCRIBED", sync_status=status)
    assert standing() == out


@pytest.mark.parametrize(
    ("columns", "stands"),
    [
        ({"sync_status": "SYNCED"}, False),
        ({"sync_status": "PENDING"}, True),
        ({"sync_status": "SENDING"}, True),
        ({"sync_status": "FAILED"}, True),
        ({"sync_status": "SUPERSEDED"}, True),
        ({"sync_status": "PENDING", "override": True}, False),
        ({"sync_status": "SENDING", "override": True}, False),
        ({"sync_status": "SYNCED", "override": True}, False),
        ({"sync_status": "FAILED", "override": True}, True),
        ({"sync_status": "SUPERSEDED", "override": True}, True),
    ],
)
@pytest.mark.parametrize("status", ["SUBSCRIBED", "PENDING"])
def test_an_opt_out_stands_until_a_newer_change_took_effect(status, columns, stands):
    out = entered("UNSUBSCRIBED", sync_status="SYNCED")
    entered(status, **columns)
    assert standing() == (out if stands else None)


def test_the_newest_opt_out_stands():
    entered("UNSUBSCRIBED", sync_status="SYNCED")
    entered("SUBSCRIBED", sync_status="SYNCED")
    newest = entered("UNSUBSCRIBED")
    assert standing() == newest


def test_without_an_opt_out_none_stands():
    entered("SUBSCRIBED", sync_status="SYNCED")
    entered("PENDING", sync_status="FAILED")
    assert standing() is None
    assert standing("nobody@x.example") is None


def test_an_opt_out_stands_for_the_person_and_for_the_address():
    row = contact()
    out = entered("UNSUBSCRIBED", of=row, sync_status="SYNCED")
    assert standing("other@x.example", of=row) == out
    assert standing(ANN) == out
    assert standing("other@x.example") is None


def test_an_opt_out_stands_for_the_address_when_its_contact_is_gone():
    contact(subscription_status="UNSUBSCRIBED").delete()
    out = standing()
    assert out is not None
    assert out.contact is None
    again = contact()
    assert standing(of=again) is not None


def test_only_what_is_older_than_a_change_is_looked_at():
    older = entered("SUBSCRIBED", sync_status="SYNCED")
    newer = entered("UNSUBSCRIBED")
    people = [(None, ANN)] * 2
    assert SubscriptionChange.standing_opt_outs(
        "default", people, [older.pk + 1, newer.pk + 1]
    ) == [
        None,
        newer,
    ]


def test_what_is_an_opt_out_says_so():
    assert entered("UNSUBSCRIBED").is_opt_out
    assert not entered("PENDING").is_opt_out
    assert list(SubscriptionChange.objects.opt_outs().values_list("status", flat=True)) == [
        Subscription.UNSUBSCRIBED
    ]


# Another key


def test_an_unsent_change_follows_its_contact_to_the_new_key():
    row = contact(subscription_status="SUBSCRIBED")
    row.email = BOB
    row.save()
    assert log() == []
    assert log(BOB) == [("SUBSCRIBED", "PENDING")]


def test_consent_that_was_given_is_said_again_at_the_new_key(conversion):
    row = synced_contact(subscription_status="SUBSCRIBED")
    row.email = BOB
    row.save()
    assert log(BOB) == [("SUBSCRIBED", "PENDING")]
    assert SubscriptionChange.objects.get(address=BOB).source == "new email"
    push()
    assert conversion.contacts[BOB]["subscriptionStatus"] == "SUBSCRIBED"


def test_consent_and_key_changed_at_once_end_as_the_person_wanted(conversion):
    row = synced_contact(subscription_status="SUBSCRIBED")
    row.email, row.subscription_status = BOB, "UNSUBSCRIBED"
    row.save()
    assert fresh(row).subscription_status == "UNSUBSCRIBED"
    push()
    assert conversion.contacts[BOB]["subscriptionStatus"] == "UNSUBSCRIBED"


def test_an_opt_out_that_arrived_is_said_again_at_the_new_key(conversion):
    row = synced_contact(subscription_status="UNSUBSCRIBED")
    row.email = BOB
    row.save()
    push()
    assert conversion.contacts[BOB]["subscriptionStatus"] == "UNSUBSCRIBED"
    assert log(BOB) == [("UNSUBSCRIBED", "SYNCED")]


def test_an_opt_out_in_flight_is_said_again_at_the_new_key(conversion, in_flight):
    row = synced_contact()
    row.subscription_status = "UNSUBSCRIBED"
    row.save()

    def change():
        Contact.objects.filter(pk=row.pk).update(email=BOB)

    in_flight(change, "set_subscriptions")
    push()
    assert conversion.contacts[BOB]["subscriptionStatus"] == "UNSUBSCRIBED"


def test_where_the_old_record_stays_the_opt_out_goes_there_too(conversion, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "DELETE_CHANGED_KEYS": False}
    row = synced_contact()
    row.email, row.subscription_status = BOB, "UNSUBSCRIBED"
    row.save()
    # entered at the new key, for the change was unsent when the key changed
    push()
    assert conversion.contacts[BOB]["subscriptionStatus"] == "UNSUBSCRIBED"

    row = fresh(row)
    row.subscription_status = "SUBSCRIBED"
    with attributed(override=True, reason="Asked."):
        row.save()
    push()
    row.subscription_status = "UNSUBSCRIBED"
    row.save()
    row.email = "carl@x.example"
    row.save()
    push()
    assert conversion.contacts[BOB]["subscriptionStatus"] == "UNSUBSCRIBED"
    assert conversion.contacts["carl@x.example"]["subscriptionStatus"] == "UNSUBSCRIBED"


# Deleted contacts


def test_of_a_deleted_contact_only_the_unsent_opt_out_still_matters(conversion, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "DELETE_REMOTE": False}
    ann, bob = synced_contact(), synced_contact(BOB)
    ann.subscription_status, bob.subscription_status = "UNSUBSCRIBED", "SUBSCRIBED"
    ann.save()
    bob.save()
    Contact.objects.all().delete()
    assert log(BOB) == [("SUBSCRIBED", "SUPERSEDED")]
    push()
    assert conversion.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"
    assert conversion.contacts[BOB]["subscriptionStatus"] != "SUBSCRIBED"


def test_a_change_in_flight_keeps_its_claim_when_its_contact_is_deleted():
    row = contact(subscription_status="SUBSCRIBED")
    claimed(SubscriptionChange.objects.get())
    row.delete()
    change = SubscriptionChange.objects.get()
    assert (change.sync_status, change.contact) == (Status.SENDING, None)


def test_the_log_is_kept_for_ever(conversion):
    synced_contact(subscription_status="SUBSCRIBED").delete()
    push()
    assert log() == [("SUBSCRIBED", "SYNCED")]


def test_who_and_where_from_are_cut_to_what_the_columns_hold():
    """A site's names are its own: no save fails of one."""
    with attributed(requested_by="N" * 300, source="s" * 100):
        row = contact(subscription_status="UNSUBSCRIBED")
    with on_behalf_of("M" * 300):
        row.delete()
    change = SubscriptionChange.objects.get()
    assert (change.requested_by, change.source) == ("N" * 255, "s" * 64)
