"""Who has opted out: the database says of many what the log says of one."""

from __future__ import annotations

import random

import pytest

from conversion_sync.models import Contact, Status, Subscription, SubscriptionChange
from conversion_sync.sync.consent.opted_out import opted_out, opted_out_by_subscription
from tests.kit import ANN, BOB, contact, write

pytestmark = pytest.mark.django_db

STATES = (Status.PENDING, Status.SENDING, Status.SYNCED, Status.FAILED, Status.SUPERSEDED)


def found() -> set[str]:
    return set(Contact.objects.filter(opted_out("default")).values_list("key", flat=True))


def forget_columns() -> None:
    """Have the log alone say who has opted out: its state is written past all rules here."""
    Contact.unmarked.update(subscription_status="")


def test_an_opt_out_of_the_address_counts_where_the_contact_is_new():
    contact(subscription_status="UNSUBSCRIBED").delete()
    contact()
    contact(BOB)
    assert found() == {ANN}


def test_whoever_is_unsubscribed_without_a_trace_in_the_log_has_opted_out():
    write(contact(), subscription_status="UNSUBSCRIBED")
    assert found() == {ANN}
    assert opted_out_by_subscription(Contact.objects.all()) == {"UNSUBSCRIBED": 1}


def test_what_the_person_said_elsewhere_lifts_their_own_opt_out_and_no_other():
    ann = contact()
    SubscriptionChange.objects.create(contact=ann, address=ANN, status="UNSUBSCRIBED")
    lifts = SubscriptionChange.objects.create(contact=ann, address=BOB, status="SUBSCRIBED")
    assert found() == {ANN}
    write(lifts, sync_status="SYNCED")
    forget_columns()
    assert found() == set()
    SubscriptionChange.objects.create(contact=None, address=ANN, status="UNSUBSCRIBED")
    assert found() == {ANN}


@pytest.mark.parametrize("seed", range(30))
def test_it_agrees_with_the_log_whatever_happened(seed):
    chance = random.Random(seed)
    people = [contact(f"p{number}@x.example") for number in range(6)]
    addresses = [person.key for person in people[:4]]
    for _ in range(seed + 3):
        change = SubscriptionChange.objects.create(
            contact=chance.choice([*people, None]),
            address=chance.choice(addresses),
            status=chance.choice(Subscription.values),
        )
        write(change, sync_status=chance.choice(STATES), override=chance.random() < 0.3)
    forget_columns()
    said = SubscriptionChange.standing_opt_outs("default", [(p.pk, p.key) for p in people])
    standing = {p.key for p, change in zip(people, said, strict=True) if change is not None}
    assert found() == standing
    assert opted_out_by_subscription(Contact.objects.all()) == (
        {"": len(standing)} if standing else {}
    )
