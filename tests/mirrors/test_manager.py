"""Bulk changes through the mixin for the site's manager."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, models
from django.db.models import Count, F

from conversion_sync import mirrors
from conversion_sync.models import MirrorMark
from tests.mirrors.kit import contacts, marks, render
from tests.mirrors.shop.models import Country, Customer, Guest, Order, Plan

pytestmark = pytest.mark.django_db


class CustomerMirror(mirrors.Mirror[Customer]):
    email = F("email")
    variables = {"name": F("name"), "orders": Count("orders")}  # noqa: RUF012


@pytest.fixture
def customers(mirror):
    mirror("contact", Customer, CustomerMirror)
    return Customer.marked.bulk_create(
        [Customer(email=f"c{number}@x.example", name="A") for number in range(3)]
    )


def names():
    return {row.custom_variables["name"] for row in contacts().values()}


def test_bulk_create(customers):
    assert len(marks()) == 3
    render()
    assert len(contacts()) == 3


def test_update(customers, django_assert_num_queries):
    render()
    with django_assert_num_queries(3 + 2):  # a savepoint
        assert Customer.marked.update(name="B") == 3
    render()
    assert names() == {"B"}


def test_an_update_marks_the_rows_that_it_writes_alone(customers):
    MirrorMark.objects.all().delete()
    assert Customer.marked.filter(email="c1@x.example").update(email="d@x.example") == 1
    assert [source for _, source, _ in marks()] == [str(customers[1].pk)]


def test_an_update_by_a_relation(customers):
    plan = Plan.objects.create(name="pro")
    Customer.marked.update(plan=plan)
    render()
    MirrorMark.objects.all().delete()
    assert Customer.marked.filter(plan__name="pro").update(name="C") == 3
    assert len(marks()) == 3


def test_bulk_update(customers):
    render()
    for each in customers:
        each.name = "C"
    assert Customer.marked.bulk_update(customers, ["name"]) == 3
    render()
    assert names() == {"C"}


class GuestMirror(mirrors.Mirror[Guest]):
    email = F("email")
    variables = {"name": F("name")}  # noqa: RUF012


@pytest.fixture
def guests(mirror):
    mirror("contact", Guest, GuestMirror)
    Guest.objects.bulk_create([Guest(email="ann@x.example", name="A")])


@pytest.mark.skipif(
    not connection.features.supports_update_conflicts_with_target, reason="no such clause"
)
def test_rows_that_bulk_create_updates_by_another_column_than_their_key(guests):
    """Their keys are others than those that the new instances had come with."""
    some = [Guest(email="ann@x.example", name="B"), Guest(email="bob@x.example", name="B")]
    Guest.marked.bulk_create(
        some, update_conflicts=True, update_fields=["name"], unique_fields=["email"]
    )
    render()
    assert {key: row.custom_variables for key, row in contacts().items()} == {
        "ann@x.example": {"name": "B"},
        "bob@x.example": {"name": "B"},
    }


@pytest.mark.skipif(
    not connection.features.supports_update_conflicts_with_target, reason="no such clause"
)
def test_rows_that_bulk_create_updates_by_their_key_are_marked_alone(guests):
    ann = Guest.objects.get()
    Guest.marked.bulk_create(
        [Guest(pk=ann.pk, email="ann@x.example", name="B")],
        update_conflicts=True,
        update_fields=["name"],
        unique_fields=["id"],
    )
    assert marks() == [("shop.guest", str(ann.pk), "C")]


def test_delete(customers):
    render()
    Customer.marked.all().delete()
    assert len(marks()) == 3


def test_rows_that_move_in_bulk_concern_both(customers):
    first, second, _ = customers
    Order.marked.bulk_create([Order(number=number, customer=first) for number in "AB"])
    render()
    assert contacts()["c0@x.example"].custom_variables["orders"] == 2
    Order.marked.update(customer=second)
    render()
    found = {key: row.custom_variables["orders"] for key, row in contacts().items()}
    assert found == {"c0@x.example": 0, "c1@x.example": 2, "c2@x.example": 0}


def test_what_conflicts_is_found_by_looking_at_all(customers, monkeypatch):
    monkeypatch.setattr("conversion_sync.mirrors.concerned.SOURCES", 2)
    render()
    models.QuerySet.update(Customer.objects.all(), name="Z")
    again = [Customer(pk=each.pk, email=each.email) for each in customers]
    again.append(Customer(email="new@x.example", name="Z"))
    Customer.marked.bulk_create(again, ignore_conflicts=True)
    render()
    assert names() == {"Z"}
    assert len(contacts()) == 4


def test_without_the_mixin_nobody_hears(customers):
    MirrorMark.objects.all().delete()
    Customer.objects.update(name="B")
    Customer.objects.bulk_create([Customer(email="d@x.example")])
    assert marks() == []


def test_a_manager_of_the_sites_own_keeps_its_methods():
    class Own(models.QuerySet):  # type: ignore[type-arg]  # at run time it takes none
        def named(self):
            return self.filter(name="NL")

    base: Any = models.Manager.from_queryset(Own)
    manager: Any = type("Manager", (mirrors.MirroredManagerMixin, base), {})()
    manager.model = Country
    assert isinstance(manager.get_queryset(), mirrors.MirroredQuerySetMixin)
    assert manager.get_queryset().named().query.where


def test_what_no_mirror_reads_costs_nothing(mirror, django_assert_num_queries):
    with django_assert_num_queries(1):
        Customer.marked.update(name="B")


class OrderMirror(mirrors.Mirror[Order]):
    def email(self, order):
        return f"{order.number}@orders.example"

    on_exit = mirrors.DELETE


def test_rows_whose_primary_keys_change_in_bulk(mirror):
    mirror("contact", Order, OrderMirror)
    Order.objects.create(number="a")
    Order.objects.create(number="b")
    render()
    assert Order.marked.filter(number="a").update(number="c") == 1
    render()
    assert {*contacts()} == {"b@orders.example", "c@orders.example"}


def test_an_update_of_many_writes_what_djangos_own_would(mirror, monkeypatch):
    """What it writes is what it looks for: in several statements, it would find others."""
    mirror("contact", Customer, CustomerMirror)
    monkeypatch.setattr("conversion_sync.mirrors.manager.ROWS_AT_ONCE", 2)
    monkeypatch.setattr("conversion_sync.models.chunks.in_chunks.__defaults__", (2,))
    plan = Plan.objects.create(name="pro")
    for number in range(6):
        Customer.objects.create(email=f"c{number}@x.example", plan=plan, name="A")
    render()
    rows = Customer.marked.filter(plan__name="pro").exclude(plan__customers__name="B")
    assert rows.update(name="B") == 6
    render()
    assert names() == {"B"}


class Replicas:
    """Reads go to a database that nothing is written to."""

    def db_for_read(self, model, **hints):
        return "replica"

    def db_for_write(self, model, **hints):
        return "default"


def test_a_site_that_reads_from_a_replica_is_marked_where_it_writes(customers, settings):
    render()
    settings.DATABASE_ROUTERS = [Replicas()]
    # Whatever it read from there would raise: there is no such database.
    assert Customer.marked.filter(email="c1@x.example").update(name="B") == 1
    Customer.marked.bulk_create([Customer(email="d@x.example", name="D")])
    settings.DATABASE_ROUTERS = []
    assert len(marks()) == 2
