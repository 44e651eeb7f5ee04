"""Primary keys of all types, however they are written: one source has one link."""

from __future__ import annotations

import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.db.models import F

from conversion_sync import mirrors
from conversion_sync.mirrors import explain
from conversion_sync.mirrors.backfill import Backfill
from conversion_sync.mirrors.checks import check_mirrors
from conversion_sync.models import Engagement, MirrorLink
from tests.mirrors.kit import State, contacts, link, render
from tests.mirrors.shop.models import Bid, Line, Moment, Order, Price, Seat

pytestmark = pytest.mark.django_db


class PriceMirror(mirrors.Mirror[Price]):
    email = F("email")
    variables = {"bids": F("bids__name")}  # noqa: RUF012
    on_exit = mirrors.DELETE


class MomentMirror(mirrors.Mirror[Moment]):
    email = F("email")
    on_exit = mirrors.DELETE


TOKYO = datetime.datetime(2026, 5, 1, 8, 30, tzinfo=ZoneInfo("Asia/Tokyo"))


@pytest.mark.parametrize(
    ("model", "cls", "key"),
    [(Price, PriceMirror, Decimal("1.5")), (Price, PriceMirror, 7), (Moment, MomentMirror, TOKYO)],
)
def test_a_key_that_memory_and_database_spell_differently(mirror, model, cls, key):
    declared = mirror("contact", model, cls)
    source = model.objects.create(pk=key, email="ann@x.example")
    render()
    for _ in Backfill("default", declared).run():
        pass
    assert MirrorLink.objects.get().state == "mirrored"
    [found] = explain(source)
    assert found.row == contacts()["ann@x.example"]
    source.delete()
    render()
    assert contacts() == {}


def test_what_belongs_to_it_marks_it(mirror):
    mirror("contact", Price, PriceMirror)
    price = Price.objects.create(pk=Decimal("1.5"), email="ann@x.example")
    Bid.objects.create(price=price, name="high")
    render()
    assert contacts()["ann@x.example"].custom_variables["bids"] == ["high"]
    assert MirrorLink.objects.count() == 1


class OrderMirror(mirrors.Mirror[Order]):
    email = F("status")
    variables = {"seats": F("seats__email")}  # noqa: RUF012


def test_what_belongs_to_it_may_have_a_key_of_several_columns(mirror):
    mirror("contact", Order, OrderMirror)
    order = Order.objects.create(number="a", status="a@x.example")
    other = Order.objects.create(number="b", status="b@x.example")
    render()
    seat = Seat.objects.create(order=order, number=1, email="one")
    Seat.marked.bulk_create([Seat(order=order, number=2, email="two")])
    render()
    assert seats() == {"a@x.example": ["one", "two"], "b@x.example": []}
    seat.email = "eins"
    seat.save()
    Seat.marked.filter(number=2).update(email="zwei")
    render()
    assert seats() == {"a@x.example": ["eins", "zwei"], "b@x.example": []}
    Seat.marked.filter(number=2).update(order=other)
    seat.delete()
    render()
    assert seats() == {"a@x.example": [], "b@x.example": ["zwei"]}


def seats():
    return {key: row.custom_variables["seats"] for key, row in contacts().items()}


class LineMirror(mirrors.Mirror[Line]):
    contact = F("order")
    name = "Line"
    description = F("text")


@pytest.mark.parametrize("path", ["order", "order_id", "order__pk", "order__number"])
def test_a_reference_may_end_with_the_key_itself(mirror, path):
    class PathMirror(LineMirror):
        contact = F(path)

    mirror("contact", Order, OrderMirror)
    mirror("engagement", Line, PathMirror)
    order = Order.objects.create(number="abc", status="")
    line = Line.objects.create(order=order, text="one")
    assert check_mirrors() == []
    render()
    assert link(line).state == State.WAITING
    order.status = "ann@x.example"
    order.save()
    render()
    assert Engagement.unmarked.get().contact == contacts()["ann@x.example"]


@pytest.mark.skipif(connection.vendor != "mysql", reason="no such collation by default")
def test_a_key_that_the_database_takes_for_another(mirror):
    mirror("contact", Order, OrderMirror)
    Order.objects.create(number="abc", status="a@x.example")
    render()
    Order(number="ABC", status="b@x.example").save()
    render()
    assert Order.objects.count() == 1
    assert [*contacts()] == ["b@x.example"]
