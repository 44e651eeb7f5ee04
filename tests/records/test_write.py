"""Rows that are brought in by their keys."""

from __future__ import annotations

import pytest
from django.db import transaction

from conversion_sync.models import Company, Contact, SubscriptionChange
from conversion_sync.records.change import Change
from conversion_sync.records.edit import Edit
from conversion_sync.records.write import locked, write
from tests.kit import ANN, BOB, EQUAL_BUT_DIFFERENT, company, contact, fresh, log

pytestmark = pytest.mark.django_db


def edit(key: str, **values: object) -> Edit:
    row = Contact.objects.filter(key=key).first()
    made = Edit(row=row or Contact(email=key), is_new=row is None, key=key)
    for name, value in values.items():
        made.assign(name, value)
    return made


def test_rows_are_created_and_changed_together():
    ann = contact(first_name="Ann", title="Boss")
    write(Contact, "default", [edit(ANN, title="Chief"), edit(BOB, title="Clerk")])
    assert (fresh(ann).first_name, fresh(ann).title, fresh(ann).revision) == ("Ann", "Chief", 2)
    assert Contact.objects.get(key=BOB).title == "Clerk"


def test_what_does_not_change_is_not_written():
    row = contact(first_name="Ann", title="Boss")
    made = edit(ANN, first_name="Ann", title="Chief")
    assert made.changes() == [Change("title", "Boss", "Chief")]
    Contact.objects.update(first_name="Anna")
    write(Contact, "default", [made])
    assert (fresh(row).first_name, fresh(row).title) == ("Anna", "Chief")


@pytest.mark.parametrize(("one", "other"), EQUAL_BUT_DIFFERENT)
def test_what_json_writes_differently_is_a_change(one, other):
    contact(custom_variables={"x": one})
    assert edit(ANN, custom_variables={"x": other}).changed
    assert not edit(ANN, custom_variables={"x": one}).changed


def test_rows_are_found_by_their_keys():
    row, acme = contact("Ann@X.example"), company("C1")
    with transaction.atomic():
        assert locked(Contact, "default", {ANN, BOB}) == {ANN: row}
        assert locked(Company, "default", {"C1"}) == {"C1": acme}


@pytest.mark.parametrize(
    ("stands", "opts_out", "status", "stays"),
    [
        ("", False, "SUBSCRIBED", False),
        ("SUBSCRIBED", False, "PENDING", False),
        ("UNSUBSCRIBED", False, "SUBSCRIBED", True),
        ("UNSUBSCRIBED", False, "UNSUBSCRIBED", False),
        ("SUBSCRIBED", True, "SUBSCRIBED", True),
    ],
)
def test_no_opt_out_is_lifted(stands, opts_out, status, stays):
    row = contact(subscription_status=stands)
    made = edit(ANN)
    standing = SubscriptionChange.standing_opt_outs("default", [(row.pk, ANN)])
    made.subscribe(status, opted_out=standing != [None], opts_out=opts_out)
    write(Contact, "default", [made])
    assert made.stays_unsubscribed is stays
    assert fresh(row).subscription_status == ("UNSUBSCRIBED" if stays else status)
    assert not made.opt_out_is_lost


def test_an_opt_out_of_somebody_unknown_stays_with_the_new_row():
    made = edit(BOB)
    made.subscribe("SUBSCRIBED", opted_out=True)
    write(Contact, "default", [made])
    assert made.stays_unsubscribed
    assert Contact.objects.get(key=BOB).subscription_status == "UNSUBSCRIBED"


def test_an_opt_out_that_only_the_column_knows_is_entered():
    row = contact()
    Contact.unmarked.update(subscription_status="UNSUBSCRIBED")
    made = edit(ANN)
    made.subscribe("UNSUBSCRIBED", opted_out=False)
    assert made.opt_out_is_lost
    write(Contact, "default", [], opt_outs={ANN})
    assert [status for status, _ in log()] == ["UNSUBSCRIBED"]
    assert fresh(row).subscription_status == "UNSUBSCRIBED"
