"""Assertions about a site's own models, as its tests have them."""

from __future__ import annotations

import pytest
from django.db.models import F, Q

from conversion_sync import mirrors
from conversion_sync.testing import assert_arrived, assert_not_mirrored, push
from tests.mirrors.shop.models import Customer, Employer, Order

pytestmark = pytest.mark.django_db


class CustomerMirror(mirrors.Mirror[Customer]):
    email = F("email")
    include = Q(is_active=True)
    variables = {"first_name": F("name"), "score": lambda customer: len(customer.name)}  # noqa: RUF012
    on_exit = mirrors.DELETE


class SecondMirror(mirrors.Mirror[Customer]):
    email = F("extra__second")
    include = Q(extra__has_key="second")


class EmployerMirror(mirrors.Mirror[Employer]):
    external_id = F("name")
    variables = {"company_name": F("name")}  # noqa: RUF012


class OrderMirror(mirrors.Mirror[Order]):
    contact = F("customer")
    name = "Order placed"
    description = "An order"
    data = {"number": F("number")}  # noqa: RUF012


@pytest.fixture
def ann(mirror, conversion_in_memory):
    mirror("contact", Customer, CustomerMirror)
    return Customer.objects.create(email="Ann@x.example", name="Ann")


def test_an_instance_has_arrived_with_these_variables(ann):
    with pytest.raises(AssertionError, match=r"has still to be mirrored: push\(\)"):
        assert_arrived(ann)
    push()
    assert_arrived(ann, variables={"first_name": "Ann", "score": 3, "plan": None})
    with pytest.raises(AssertionError, match=r"other values: .*'Ann'.*; expected: .*'Bob'"):
        assert_arrived(ann, variables={"first_name": "Bob", "score": 3})
    ann.name = "Bob"
    ann.save()
    with pytest.raises(AssertionError, match="push"):
        assert_arrived(ann)


def test_what_has_changed_in_conversion_since_is_seen(ann, conversion_in_memory):
    push()
    conversion_in_memory.contacts["ann@x.example"]["variables"]["first_name"] = "Else"
    conversion_in_memory.app.store.upsert_contacts(
        [{"email": "ann@x.example", "variables": {"first_name": "Else"}}]
    )
    with pytest.raises(AssertionError, match="Else"):
        assert_arrived(ann, variables={"first_name": "Ann"})


def test_a_status_has_arrived(ann, conversion_in_memory):
    push()
    conversion_in_memory.set_status("ann@x.example", "UNSUBSCRIBED")
    assert_arrived(ann, subscription="UNSUBSCRIBED")
    with pytest.raises(AssertionError, match=r"expected: .*SUBSCRIBED"):
        assert_arrived(ann, subscription="SUBSCRIBED")


def test_an_instance_that_is_left_out_has_not_arrived_and_it_is_said_why(ann):
    ann.is_active = False
    ann.save()
    push()
    with pytest.raises(AssertionError, match=r"CustomerMirror: .*is_active"):
        assert_arrived(ann)
    assert_not_mirrored(ann)


def test_what_is_mirrored_is_not_left_out(ann):
    push()
    with pytest.raises(AssertionError, match="stands for"):
        assert_not_mirrored(ann)


def test_a_refused_row_says_why(ann, conversion_in_memory):
    conversion_in_memory.fail("item_errors", code="DUPLICATE_ERROR", email="ann@x.example")
    push()
    with pytest.raises(AssertionError, match=r"has not arrived: \w+ \(\w+: .+\)$"):
        assert_arrived(ann)


def test_of_several_mirrors_one_may_leave_it_out(mirror, ann):
    mirror("contact", Customer, SecondMirror)
    ann.save()
    push()
    assert_arrived(ann, variables={"first_name": "Ann"})


def test_a_company_and_an_engagement_too(mirror, ann):
    mirror("company", Employer, EmployerMirror)
    mirror("engagement", Order, OrderMirror)
    employer = Employer.objects.create(name="Acme")
    order = Order.objects.create(customer=ann, number="7")
    push()
    assert_arrived(employer, variables={"company_name": "Acme"})
    assert_arrived(order, data={"number": "7"})
    with pytest.raises(AssertionError, match="other values"):
        assert_arrived(order, data={"number": "8"})


def test_what_no_mirror_is_for(mirror, ann):
    with pytest.raises(AssertionError, match=r"No mirror is declared for shop\.Employer"):
        assert_arrived(Employer.objects.create(name="Acme"))


def test_values_that_a_row_can_not_have_are_no_success(ann):
    """Left unsaid, a test would compare nothing, and pass."""
    push()
    with pytest.raises(TypeError, match=r"data can't be compared: <Customer.*has none"):
        assert_arrived(ann, data={"number": 1})


def test_of_an_engagement_neither_variables_nor_a_subscription_are_compared(ann, mirror):
    mirror("engagement", Order, OrderMirror)
    order = Order.objects.create(customer=ann, number="A-1")
    push()
    assert_arrived(order, data={"number": "A-1"})
    for given in ({"variables": {"number": "A-1"}}, {"subscription": "SUBSCRIBED"}):
        with pytest.raises(TypeError, match="can't be compared"):
            assert_arrived(order, **given)
