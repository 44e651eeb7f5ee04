"""A site's orders as engagements: entered once, and from the mirror's beginning on."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from django.db.models import F, Q
from django.utils import timezone

from conversion_sync import mirrors
from conversion_sync.mirrors.beginnings import begin
from conversion_sync.models import Engagement, MirrorState
from conversion_sync.status.messages import in_words
from tests.mirrors.kit import State, link, render
from tests.mirrors.shop.models import Customer, Line, Order

pytestmark = pytest.mark.django_db


class CustomerMirror(mirrors.Mirror[Customer]):
    email = F("email")
    include = Q(is_active=True)


class OrderMirror(mirrors.Mirror[Order]):
    contact = F("customer")
    include = Q(status="placed")
    name = "Order placed"
    data = {"total": F("total"), "lines": lambda order: order.lines.count()}  # noqa: RUF012

    def description(self, order: Order) -> str:
        return f"Order {order.number}"


class TimedMirror(OrderMirror):
    occurred_at = F("placed_at")


@pytest.fixture
def orders(mirror):
    mirror("contact", Customer, CustomerMirror)
    mirror("engagement", Order, OrderMirror)


@pytest.fixture
def ann():
    return Customer.objects.create(email="ann@x.example")


def test_an_order_is_entered_once_it_is_placed(orders, ann):
    order = Order.objects.create(number="A-1", customer=ann, total=Decimal("9.50"))
    render()
    assert not Engagement.unmarked.exists()
    Line.objects.create(order=order, text="one")
    order.status = "placed"
    order.save()
    render()
    row = Engagement.unmarked.get()
    assert (row.name, row.description) == ("Order placed", "Order A-1")
    assert row.data == {"total": "9.50", "lines": 1}
    assert row.source_key == "shop.order:A-1"
    assert row.contact.key == "ann@x.example"


def test_an_order_is_entered_once_whatever_becomes_of_it(orders, ann):
    order = Order.objects.create(number="A-1", customer=ann, status="placed")
    render()
    for status in ("draft", "placed"):
        order.status, order.total = status, Decimal(7)
        order.save()
        render()
    order.delete()
    render()
    assert Engagement.unmarked.count() == 1


def test_an_order_waits_for_its_contact(orders, ann):
    ann.is_active = False
    ann.save()
    order = Order.objects.create(number="A-1", customer=ann, status="placed")
    render()
    assert not Engagement.unmarked.exists()
    assert link(order).state == State.WAITING
    assert "not mirrored" in in_words(link(order).reason)
    ann.is_active = True
    ann.save()
    render()
    assert Engagement.unmarked.count() == 1


def test_an_order_of_nobody_waits(orders):
    order = Order.objects.create(number="A-1", status="placed")
    render()
    assert link(order).state == State.WAITING


def test_what_was_there_before_the_mirror_is_not_entered(mirror, ann):
    order = Order.objects.create(number="A-1", customer=ann, status="placed")
    draft = Order.objects.create(number="A-2", customer=ann)
    mirror("contact", Customer, CustomerMirror)
    mirror("engagement", Order, OrderMirror)
    ann.save()
    render()
    assert in_words(link(order).reason).startswith("It happened before")
    order.save()
    draft.status = "placed"
    draft.save()
    render()
    assert [row.source_key for row in Engagement.unmarked.all()] == ["shop.order:A-2"]


def test_by_its_time_what_happened_before_is_not_entered(mirror, ann):
    mirror("contact", Customer, CustomerMirror)
    mirror("engagement", Order, TimedMirror)
    ann.save()
    now = timezone.now()
    old = Order.objects.create(
        number="A-1", customer=ann, status="placed", placed_at=now - datetime.timedelta(days=9)
    )
    new = Order.objects.create(number="A-2", customer=ann, status="placed", placed_at=now)
    render()
    [row] = Engagement.unmarked.all()
    assert (row.source_key, row.occurred_at) == ("shop.order:A-2", new.placed_at)
    assert link(old).state == State.PAST


def test_a_mirror_begins_once(orders):
    before = MirrorState.objects.get(mirror="tests.OrderMirror").began_at
    begin("default")
    assert MirrorState.objects.get(mirror="tests.OrderMirror").began_at == before


def test_a_sign_up_is_an_engagement_of_the_same_model(mirror):
    class SignUp(mirrors.Mirror[Customer]):
        contact = F("pk")
        name = "Signed up"
        description = F("name")

    mirror("engagement", Customer, SignUp)
    mirror("contact", Customer, CustomerMirror)
    Customer.objects.create(email="ann@x.example", name="Ann")
    render()
    assert Engagement.unmarked.get().description == "Ann"


def test_an_order_whose_description_is_blank_is_listed(mirror, ann):
    class Blank(OrderMirror):
        def description(self, order: Order) -> str:
            return ""

    mirror("contact", Customer, CustomerMirror)
    mirror("engagement", Order, Blank)
    ann.save()
    order = Order.objects.create(number="A-1", customer=ann, status="placed")
    render()
    assert not Engagement.unmarked.exists()
    assert "description" in link(order).reason
