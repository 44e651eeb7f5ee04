"""Text primary keys that databases take for the same, spelled in several ways."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.models import F

from conversion_sync import mirrors, track
from conversion_sync.mirrors import explain
from conversion_sync.mirrors.backfill import Backfill
from conversion_sync.models import Company, Contact, Engagement, MirrorLink
from tests.mirrors.kit import State, contacts, link, render
from tests.mirrors.shop.models import Line, Order

pytestmark = pytest.mark.django_db

merges = pytest.mark.skipif(connection.vendor != "mysql", reason="no such collation by default")
exact = pytest.mark.skipif(connection.vendor == "mysql", reason="its collation merges them")

#: By which a foreign key may mean the row ``café-1``, as MariaDB compares by default.
SPELLINGS = ("CAFÉ-1", "cafe-1", "Cafè-1 ", "café-1  ")


class OrderMirror(mirrors.Mirror[Order]):
    email = F("status")


class LineMirror(mirrors.Mirror[Line]):
    contact = F("order")
    name = "Line"
    description = F("text")


class PathMirror(LineMirror):
    contact = F("order__pk")


class PersonMirror(mirrors.Mirror[Line]):
    email = F("text")
    company = F("order")


class OrderCompany(mirrors.Mirror[Order]):
    external_id = F("status")


@merges
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("cls", [LineMirror, PathMirror])
def test_an_engagement_finds_the_contact_that_its_foreign_key_means(mirror, cls, spelling):
    mirror("contact", Order, OrderMirror)
    mirror("engagement", Line, cls)
    Order.objects.create(number="café-1", status="ann@x.example")
    render()
    Line.objects.create(order_id=spelling, text="one")
    render()
    assert Engagement.unmarked.get().contact == Contact.unmarked.get()


@merges
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_one_that_waits_goes_on_when_its_contact_is_mirrored(mirror, spelling):
    mirror("contact", Order, OrderMirror)
    mirror("engagement", Line, LineMirror)
    order = Order.objects.create(number="café-1", status="")
    line = Line.objects.create(order_id=spelling, text="one")
    render()
    assert link(line).state == State.WAITING
    order.status = "ann@x.example"
    order.save()
    render()
    assert link(line).state == State.MIRRORED


@merges
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_contact_has_the_company_that_its_foreign_key_means(mirror, spelling):
    mirror("contact", Line, PersonMirror)
    mirror("company", Order, OrderCompany)
    order = Order.objects.create(number="café-1", status="")
    Line.objects.create(order_id=spelling, text="ann@x.example")
    render()
    order.status = "lumentum"
    order.save()
    render()
    assert Contact.unmarked.get().company == Company.unmarked.get()


@merges
def test_the_backfill_finds_it(mirror):
    mirror("contact", Order, OrderMirror)
    declared = mirror("contact", Line, PersonMirror)
    mirror("company", Order, OrderCompany)
    Order.objects.create(number="café-1", status="lumentum")
    rows = [Line(order_id=each, text=f"{n}@x.example") for n, each in enumerate(SPELLINGS)]
    Line.objects.bulk_create(rows)
    render()
    for _ in Backfill("default", declared).run():
        pass
    people = Contact.unmarked.filter(key__in=[row.text for row in rows])
    assert [row.company for row in people] == [Company.unmarked.get()] * 4


@merges
def test_an_instance_that_is_spelled_otherwise_is_explained(mirror):
    mirror("contact", Order, OrderMirror)
    Order.objects.create(number="abc", status="a@x.example")
    render()
    again = Order(number="ABC", status="b@x.example")
    again.save()
    assert explain(again)[0].is_marked
    render()
    [found] = explain(again)
    assert (found.state, found.is_included) == (State.MIRRORED, True)
    assert found.row == contacts()["b@x.example"]
    assert track(again, "Seen", "Was seen").contact == found.row


@merges
def test_an_instance_that_was_just_saved_is_tracked(mirror):
    mirror("contact", Order, OrderMirror)
    Order.objects.bulk_create([Order(number="abc", status="a@x.example")])
    assert track(Order(number="ABC"), "Seen", "Was seen").contact.key == "a@x.example"
    assert [each.source for each in MirrorLink.objects.all()] == ["abc"]


@exact
def test_where_they_are_two_rows_each_has_its_own(mirror):
    mirror("contact", Order, OrderMirror)
    mirror("engagement", Line, LineMirror)
    for number in ("abc", "ABC", "abc ", "äbc"):
        Order.objects.create(number=number, status=f"{number.encode().hex()}@x.example")
        Line.objects.create(order_id=number, text=number)
    render()
    found = {row.description: row.contact.key for row in Engagement.unmarked.all()}
    assert found == {
        number: f"{number.encode().hex()}@x.example" for number in ("abc", "ABC", "abc ", "äbc")
    }


@exact
def test_where_one_of_them_is_missing_nothing_else_takes_its_place(mirror):
    mirror("contact", Order, OrderMirror)
    Order.objects.create(number="abc", status="a@x.example")
    render()
    [found] = explain(Order(number="ABC"))
    assert (found.state, found.is_included, found.row) == ("", False, None)
