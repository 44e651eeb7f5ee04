"""The table of ``docs/reference/mirrors.md``, what each change leads to: a test for each line."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection, models
from django.db.models import F, Q

from conversion_sync import mirrors
from conversion_sync.models import MirrorMark
from tests.mirrors.kit import contacts, render
from tests.mirrors.shop.models import Customer, Employer, Order, Plan, Tag

pytestmark = pytest.mark.django_db

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "mirrors.md"


class CustomerMirror(mirrors.Mirror[Customer]):
    email = F("email")
    include = Q(is_active=True) & ~Q(plan__name="none")
    variables = {  # noqa: RUF012
        "name": F("name"),
        "plan": F("plan__name"),
        "orders": F("orders__number"),
        "tags": F("tags__name"),
    }
    on_exit = mirrors.DELETE


class OtherMirror(CustomerMirror):
    label = "tests.CustomerMirror"
    variables = {"name": F("name"), "active": F("is_active")}  # noqa: RUF012


def backfill():
    call_command("conversion_mirror", stdout=io.StringIO())


@pytest.fixture
def ann(mirror):
    mirror("contact", Customer, CustomerMirror)
    plan, employer = Plan.objects.create(name="pro"), Employer.objects.create(name="E")
    customer = Customer.objects.create(
        email="ann@x.example", name="Ann", plan=plan, employer=employer
    )
    render()
    return customer


def said(name):
    """What the contact says, if there is one."""
    row = contacts().get("ann@x.example")
    return None if row is None else row.custom_variables.get(name)


def drained(name):
    render()
    return said(name)


def backfilled(name):
    assert not MirrorMark.objects.exists()
    backfill()
    return said(name)


def save(customer):
    customer.name = "B"
    customer.save()


def create(customer):
    customer.delete()
    Customer.objects.create(email=customer.email, name="B")


def get_or_create(customer):
    customer.delete()
    Customer.objects.get_or_create(email=customer.email, defaults={"name": "B"})


def update_or_create(customer):
    Customer.objects.update_or_create(email=customer.email, defaults={"name": "B"})


@pytest.mark.parametrize("how", [save, create, get_or_create, update_or_create])
def test_save(ann, how):
    how(ann)
    assert MirrorMark.objects.exists()
    assert drained("name") == "B"


def update(manager, customer):
    manager.update(name="B")


def bulk_update(manager, customer):
    customer.name = "B"
    manager.bulk_update([customer], ["name"])


@pytest.mark.parametrize("how", [update, bulk_update])
def test_update_with_the_mixin(ann, how):
    how(Customer.marked, ann)
    assert drained("name") == "B"


@pytest.mark.parametrize("how", [update, bulk_update])
def test_update_without_it(ann, how):
    how(Customer.objects, ann)
    assert backfilled("name") == "B"


def test_bulk_create_with_the_mixin(ann):
    Customer.marked.bulk_create([Customer(email="bob@x.example")])
    render()
    assert "bob@x.example" in contacts()


def test_bulk_create_without_it(ann):
    Customer.objects.bulk_create([Customer(email="bob@x.example")])
    backfill()
    assert "bob@x.example" in contacts()


def test_a_related_row(ann):
    ann.plan.name = "premium"
    ann.plan.save()
    assert MirrorMark.objects.count() == 1
    assert drained("plan") == "premium"


def test_a_row_of_a_reverse_relation(ann):
    order = Order.objects.create(number="A", customer=ann)
    assert drained("orders") == ["A"]
    order.customer = Customer.objects.create(email="bob@x.example")
    order.save()
    assert drained("orders") == []
    assert contacts()["bob@x.example"].custom_variables["orders"] == ["A"]
    order.delete()
    render()
    assert contacts()["bob@x.example"].custom_variables["orders"] == []


def test_a_many_to_many_relation(ann):
    tag = Tag.objects.create(name="vip")
    ann.tags.add(tag)
    assert drained("tags") == ["vip"]
    tag.customers.clear()
    assert drained("tags") == []


def test_raw_sql(ann):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE shop_customer SET name = 'B'")
    assert backfilled("name") == "B"


@pytest.mark.parametrize("how", ["instance", "queryset", "raw"])
def test_delete(ann, how):
    if how == "instance":
        ann.delete()
    elif how == "queryset":
        Customer.objects.all().delete()
    else:
        models.QuerySet(Customer)._raw_delete("default")
        backfill()
    render()
    assert contacts() == {}


def test_a_cascade(ann):
    ann.employer.delete()
    render()
    assert contacts() == {}


@pytest.mark.parametrize("how", ["save", "related", "update"])
def test_the_condition_flips(ann, how):
    if how == "save":
        ann.is_active = False
        ann.save()
    elif how == "related":
        ann.plan.name = "none"
        ann.plan.save()
    else:
        Customer.objects.update(is_active=False)
        backfill()
    render()
    assert contacts() == {}


@pytest.mark.parametrize("how", ["save", "related"])
def test_the_condition_holds_again(ann, how):
    one, name, value = (ann, "is_active", False) if how == "save" else (ann.plan, "name", "none")
    held = getattr(one, name)
    setattr(one, name, value)
    one.save()
    render()
    assert contacts() == {}
    Customer.objects.update(name="B")
    one.refresh_from_db()
    setattr(one, name, held)
    one.save()
    assert drained("name") == "B"


def test_the_row_goes_by_on_exit(ann, mirror):
    class Unsubscribed(CustomerMirror):
        label = "tests.CustomerMirror"
        on_exit = mirrors.UNSUBSCRIBE

    class Kept(CustomerMirror):
        label = "tests.CustomerMirror"
        on_exit = mirrors.KEEP

    mirror("contact", Customer, Kept)
    ann.delete()
    render()
    assert contacts()["ann@x.example"].subscription_status == ""
    mirror("contact", Customer, Unsubscribed)
    bob = Customer.objects.create(email="bob@x.example")
    render()
    bob.delete()
    render()
    assert contacts()["bob@x.example"].subscription_status == "UNSUBSCRIBED"


def test_the_mapping_is_another_one(ann, mirror):
    mirror("contact", Customer, OtherMirror)
    assert backfilled("active") is True
    assert said("plan") is None


def test_every_line_of_the_table_has_its_test():
    table = PAGE.read_text().partition("\n| change |")[2].partition("\n\n")[0]
    lines = [line for line in table.splitlines() if not line.startswith("|-")]
    tests = [name for name in globals() if name.startswith("test_") and "every_line" not in name]
    # A heading; two lines have a test for each of their two halves, and one is on what several say.
    assert len(lines) - 1 == len(tests) - 3
