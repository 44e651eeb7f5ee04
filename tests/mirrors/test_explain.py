"""Why an instance has a row, or has none."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db.models import F, Q

from conversion_sync import mirrors
from conversion_sync.mirrors import explain
from conversion_sync.models import Contact
from tests.mirrors.kit import render
from tests.mirrors.shop.models import Country, Customer

pytestmark = pytest.mark.django_db


class CustomerMirror(mirrors.Mirror[Customer]):
    email = F("email")
    include = Q(is_active=True) & Q(name__startswith="A") & ~Q(plan__name="free")
    variables = {"first_name": F("name"), "rate": Decimal("1.50")}  # noqa: RUF012


@pytest.fixture
def customers(mirror):
    mirror("contact", Customer, CustomerMirror)


def test_of_one_that_has_a_row(customers):
    customer = Customer.objects.create(email="Ann@x.example", name="Ann")
    [before] = explain(customer)
    assert (before.is_included, before.state, before.is_marked) == (True, "", True)
    render()
    [after] = explain(customer)
    assert (after.state, after.is_marked, after.row) == ("mirrored", False, Contact.objects.get())
    assert after.key == "ann@x.example"
    assert after.values["variables.first_name"] == "Ann"
    assert after.values["variables.rate"] == "1.50"
    assert (after.reason, after.fault) == ("", "")
    assert all(each.holds for each in after.conditions)


def test_of_one_that_is_excluded(customers):
    customer = Customer.objects.create(email="Bob@x.example", name="Bob")
    render()
    [found] = explain(customer)
    assert not found.is_included
    assert [(each.words, each.holds) for each in found.conditions] == [
        ("is_active=True", True),
        ("name__startswith='A'", False),
        ("NOT (plan__name='free')", True),
    ]
    assert found.reason == "This does not hold of it: name__startswith='A'."


def test_of_one_in_conflict(customers):
    customers = [Customer.objects.create(email="ann@x.example", name="Ann") for _ in range(2)]
    render()
    [found] = explain(customers[1])
    assert found.state == "conflict"
    assert "has the row of this key" in found.reason


def test_of_one_without_a_key(customers):
    [found] = explain(Customer.objects.create(name="Ann"))
    assert (found.is_included, found.reason) == (False, "It has no email.")


def test_of_one_whose_mirror_raises(mirror):
    class Raises(mirrors.Mirror[Customer]):
        email = F("email")

        def include(self, customer):
            raise LookupError("never")

    mirror("contact", Customer, Raises)
    [found] = explain(Customer.objects.create(email="ann@x.example"))
    assert found.fault.startswith("LookupError: never (test_explain.py:")
    assert [each.holds for each in found.conditions] == [None]


def test_of_one_that_was_made_by_an_earlier_mapping(customers, mirror):
    customer = Customer.objects.create(email="ann@x.example", name="Ann")
    render()

    class Other(CustomerMirror):
        label = "tests.CustomerMirror"
        variables = {"name": F("name")}  # noqa: RUF012

    mirror("contact", Customer, Other)
    assert [each.is_outdated for each in explain(customer)] == [True]
    customer.save()
    render()
    assert [each.is_outdated for each in explain(customer)] == [False]


def test_of_one_that_no_mirror_knows(customers):
    assert explain(Country.objects.create(name="NL")) == []
    with pytest.raises(ValueError, match="never saved"):
        explain(Customer())


class StaffsMirror(mirrors.Mirror[Customer]):
    source = Customer.objects.filter(is_active=True)
    email = F("email")


def test_what_the_mirror_never_looks_at_is_said(mirror):
    mirror("contact", Customer, StaffsMirror)
    hidden = Customer.objects.create(email="ann@x.example", is_active=False)
    render()
    for instance in (hidden, Customer(pk=7_777)):
        [found] = explain(instance)
        assert not found.is_included
        assert "none of the sources that the mirror looks at" in found.reason
