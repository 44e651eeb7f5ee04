"""Snapshots made into rows."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from conversion_sync.models import Company, Contact, SubscriptionChange
from conversion_sync.records.known import look_up
from conversion_sync.records.mappers import mapper_of
from conversion_sync.records.snapshot import Snapshot
from conversion_sync.records.upsert import edited, upsert
from conversion_sync.records.wanted import Wanted
from tests.kit import ANN, BOB, company, contact, fresh, log, synced_contact

pytestmark = pytest.mark.django_db

OUT = "UNSUBSCRIBED"


def want(key: str = ANN, subscription: str = "", row: Any = None, **variables: Any) -> Wanted:
    return Wanted(snapshot=Snapshot(key, variables), subscription=subscription, row=row)


def bring(*wanted: Wanted, model: Any = Contact) -> list[Any]:
    with transaction.atomic():
        return upsert(model, "default", wanted)


def test_new_keys_are_new_rows_and_others_are_changed():
    ann = contact(first_name="Ann", title="Boss", custom_variables={"plan": "pro", "x": 1})
    new = Wanted(snapshot=Snapshot(BOB, {"title": "Clerk"}), spelling="Bob@X.example")
    made, known = bring(new, want(title="Chief", plan=None))
    assert (made.is_new, known.is_new) == (True, False)
    bob = Contact.objects.get(key=BOB)
    assert (bob.email, bob.title, bob.sync_status) == ("Bob@X.example", "Clerk", "PENDING")
    found = fresh(ann)
    assert (found.first_name, found.title, found.revision) == ("Ann", "Chief", 2)
    assert found.custom_variables == {"x": 1}


def test_companies_are_brought_in_too():
    wanted = Wanted(snapshot=Snapshot("C1", {"size": "1-10", "x": 1}, base_domain="a.example"))
    bring(wanted, model=Company)
    row = Company.objects.get(key="C1")
    assert (row.size, row.base_domain, row.custom_variables) == ("1-10", "a.example", {"x": 1})
    bring(Wanted(snapshot=Snapshot("C1", {"size": None}, base_domain=None)), model=Company)
    assert (fresh(row).size, fresh(row).base_domain) == ("", "")


def test_what_changes_nothing_is_not_written():
    ann = contact(first_name="Ann", custom_variables={"x": 1})
    [known] = bring(want(first_name="Ann", x=1))
    assert (known.is_needed, fresh(ann).revision) == (False, 1)
    [known] = bring(want(x=True))
    assert (known.is_needed, fresh(ann).revision) == (True, 2)
    assert fresh(ann).custom_variables["x"] is True


def test_contacts_are_linked_to_companies_by_key():
    acme = company(external_id="C1")
    linked = Wanted(snapshot=Snapshot(ANN, company={"external_id": "C1"}))
    lost = Wanted(snapshot=Snapshot(BOB, {"title": "Clerk"}, {"external_id": "C9"}))
    [_, edit] = bring(linked, lost)
    assert Contact.objects.get(key=ANN).company == acme
    assert edit.unknown_company == "C9"
    assert Contact.objects.get(key=BOB).title == "Clerk"


def test_a_row_that_is_given_takes_the_key(conversion):
    row = synced_contact(first_name="Ann")
    with transaction.atomic():
        upsert(Contact, "default", [want(BOB, row=fresh(row), first_name="Bob")])
    found = fresh(row)
    assert (found.email, found.key, found.first_name) == (BOB, BOB, "Bob")
    assert found.predecessors.get().key == ANN


def test_a_spelling_of_the_same_key_is_left_as_people_wrote_it():
    row = contact("Ann@X.example")
    bring(want(title="Boss", row=fresh(row)), want(BOB))
    assert (fresh(row).email, fresh(row).title) == ("Ann@X.example", "Boss")


def test_what_a_row_can_not_have_is_said_and_stops_no_other():
    ann = contact(first_name="Ann")
    bad, good = bring(want(first_name="x" * 151, title="Boss"), want(BOB))
    assert bad.invalid.keys() == {"first_name"}
    assert good.invalid == {}
    assert (fresh(ann).first_name, fresh(ann).title) == ("Ann", "")
    assert Contact.objects.filter(key=BOB).exists()


@pytest.mark.parametrize("key", ["ann", "", "a b@x.example"])
def test_a_row_without_a_usable_key_is_not_created(key):
    [edit] = bring(want(key))
    assert "email" in edit.invalid
    assert not Contact.objects.exists()


def test_two_of_one_key_are_not_both_written():
    first, second = bring(want(title="Boss"), want(title="Chief"))
    assert (first.invalid, [*second.invalid]) == ({}, ["key"])
    assert Contact.objects.get().title == "Boss"


def test_a_key_that_another_row_holds_is_refused():
    contact(BOB)
    row = contact()
    with pytest.raises(IntegrityError):
        bring(want(BOB, row=fresh(row)))
    assert fresh(row).key == ANN


def test_it_is_seen_beforehand_what_would_be_written():
    ann = contact(first_name="Ann")
    with transaction.atomic():
        one = want(first_name="Anna")
        edit = edited(mapper_of(Contact), one, look_up(Contact, "default", [one]))
    assert [(c.name, c.before, c.after) for c in edit.changes()] == [("first_name", "Ann", "Anna")]
    assert fresh(ann).first_name == "Ann"


def test_the_second_one_of_a_key_changes_nothing():
    ann = contact(title="none", phone="1")
    first, second = bring(want(title="Boss"), want(title="Chief", phone="2"))
    assert (first.invalid, second.invalid.keys()) == ({}, {"key"})
    assert (fresh(ann).title, fresh(ann).phone) == ("Boss", "1")


def test_many_cost_no_more_statements_than_a_few():
    counts = []
    for count in (2, 20):
        keys = [f"{count}-{number}@x.example" for number in range(count)]
        for key in keys:
            company(external_id=key)
        with CaptureQueriesContext(connection) as queries:
            bring(
                *(
                    Wanted(
                        snapshot=Snapshot(key, {"title": "Boss"}, {"external_id": key}),
                        subscription="SUBSCRIBED",
                    )
                    for key in keys
                )
            )
        counts.append(len(queries))
    assert counts[0] == counts[1]


# Consent


def test_an_opt_out_is_entered():
    row = contact(subscription_status="SUBSCRIBED")
    bring(want(subscription=OUT), want(BOB, OUT))
    assert fresh(row).subscription_status == OUT
    assert [status for status, _ in log(ANN)] == ["SUBSCRIBED", OUT]
    assert [status for status, _ in log(BOB)] == [OUT]


def test_no_opt_out_is_lifted():
    row = contact(subscription_status=OUT)
    [edit] = bring(want(subscription="SUBSCRIBED", title="Boss"))
    assert edit.stays_unsubscribed
    assert (fresh(row).subscription_status, fresh(row).title) == (OUT, "Boss")
    assert [status for status, _ in log()] == [OUT]


def test_nor_that_of_an_address_without_a_row():
    SubscriptionChange.opt_out("default", [ANN])
    [edit] = bring(want(subscription="SUBSCRIBED"))
    assert edit.stays_unsubscribed
    assert Contact.objects.get().subscription_status == OUT


def test_an_opt_out_that_only_the_column_knows_is_entered():
    row = contact()
    Contact.unmarked.filter(pk=row.pk).update(subscription_status=OUT)
    bring(want(subscription=OUT))
    assert [status for status, _ in log()] == [OUT]


def test_nothing_said_of_a_subscription_changes_none():
    row = contact(subscription_status="SUBSCRIBED")
    bring(want(title="Boss"))
    assert fresh(row).subscription_status == "SUBSCRIBED"
    assert len(log()) == 1
