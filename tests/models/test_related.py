"""Related managers mark what they write, as ``update`` does."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from conversion_sync.models import Company, Contact, Engagement, Status, SubscriptionChange
from conversion_sync.models.engagement import ImmutableEngagement
from tests.kit import ANN, BOB, company, contact, engagement, fresh, push, write

pytestmark = pytest.mark.django_db

in_bulk_or_not = pytest.mark.parametrize("bulk", [True, False])


@pytest.fixture
def acme(conversion) -> Company:
    """A company with Ann in it; Bob is in none. All have arrived."""
    acme = company(company_name="Acme")
    contact(company=acme)
    contact(BOB)
    push()
    return acme


def names(box: Any) -> dict[str, Any]:
    return {key: there["variables"].get("company_name") for key, there in box.contacts.items()}


def of(email: str) -> Contact:
    row: Contact = Contact.objects.get(email=email)
    return row


@in_bulk_or_not
def test_who_is_added_to_a_company_is_sent(conversion, acme, bulk):
    acme.contacts.add(of(BOB), bulk=bulk)
    assert of(BOB).sync_status == Status.PENDING
    push()
    assert names(conversion) == {ANN: "Acme", BOB: "Acme"}


@in_bulk_or_not
@pytest.mark.parametrize("clear", [True, False])
def test_a_company_is_given_other_contacts(conversion, acme, bulk, clear):
    acme.contacts.set([of(BOB)], bulk=bulk, clear=clear)
    push()
    assert names(conversion) == {ANN: None, BOB: "Acme"}


@in_bulk_or_not
@pytest.mark.parametrize("act", ["remove", "clear"])
def test_who_leaves_a_company_is_sent(conversion, acme, bulk, act):
    if act == "remove":
        acme.contacts.remove(of(ANN), bulk=bulk)
    else:
        acme.contacts.clear(bulk=bulk)
    assert of(ANN).sync_status == Status.PENDING
    push()
    assert names(conversion) == {ANN: None, BOB: None}


def test_who_is_added_while_in_flight_is_sent_again(conversion, acme, in_flight):
    row = of(BOB)
    row.title = "Chief"
    row.save()
    in_flight(lambda: acme.contacts.add(of(BOB)))
    push()
    assert names(conversion)[BOB] == "Acme"


@in_bulk_or_not
@pytest.mark.parametrize("act", ["add", "set"])
def test_an_engagement_that_was_sent_moves_to_nobody(conversion, acme, bulk, act):
    call = engagement(of(ANN))
    push()
    assert fresh(call).sync_status == Status.SYNCED
    with pytest.raises(ImmutableEngagement), transaction.atomic():
        getattr(of(BOB).engagements, act)(*([call] if act == "add" else [[call]]), bulk=bulk)
    assert fresh(call).contact == of(ANN)


@in_bulk_or_not
def test_an_engagement_that_waits_may_move(conversion, acme, bulk):
    call = engagement(of(ANN))
    of(BOB).engagements.add(call, bulk=bulk)
    push()
    assert [each["contactEmail"] for each in conversion.engagements] == [BOB]
    assert fresh(call).sync_status == Status.SYNCED


def test_what_a_contact_has_already_may_be_set_beside_what_is_new(conversion, acme):
    old = engagement(of(ANN))
    push()
    new = engagement(of(BOB), name="Visit")
    of(ANN).engagements.set([old, new])
    push()
    assert {each.contact for each in Engagement.objects.all()} == {of(ANN)}
    assert [each["contactEmail"] for each in conversion.engagements] == [ANN, ANN]


def test_a_change_of_the_subscription_that_was_sent_is_not_sent_again(conversion, acme):
    row = of(ANN)
    row.subscription_status = "UNSUBSCRIBED"
    row.save()
    push()
    change = SubscriptionChange.objects.get()
    of(BOB).subscription_changes.add(change)
    assert fresh(change).sync_status == Status.SYNCED
    assert push().calls == 0


def test_what_is_read_through_a_relation_marks_nothing(conversion, acme):
    before = fresh(acme).revision
    row = of(ANN)
    assert row.company == acme
    row.refresh_from_db()
    assert [*acme.contacts.all()] == [row]
    assert push().calls == 0
    assert fresh(acme).revision == before


@pytest.mark.parametrize("how", ["instance", "set"])
def test_the_contacts_of_a_deleted_company_are_sent_once(conversion, acme, how):
    before = of(ANN).revision
    if how == "instance":
        acme.delete()
    else:
        Company.objects.all().delete()
    assert of(ANN).revision == before + 1
    push()
    assert names(conversion) == {ANN: None, BOB: None}


def test_the_machinery_deletes_without_a_trace_of_its_own(conversion, acme):
    write(acme, company_name="Other")
    Contact.unmarked.filter(email=BOB).delete()
    assert push().calls == 0
