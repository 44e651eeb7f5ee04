"""Engagements and subscriptions by hand, and saves that are suspended."""

from __future__ import annotations

import uuid

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, Q

import conversion_sync
from conversion_sync import mirrors, signals
from conversion_sync.mirrors import by_hand
from conversion_sync.models import (
    Contact,
    Engagement,
    MirrorLink,
    SubscriptionChange,
    attributed,
)
from tests.kit import log
from tests.mirrors.kit import contacts, marks, render
from tests.mirrors.shop.models import Customer, Guest, Plan

pytestmark = pytest.mark.django_db

ANN = "ann@x.example"


class CustomerMirror(mirrors.Mirror[Customer]):
    email = F("email")
    include = Q(is_active=True)


class GuestMirror(mirrors.Mirror[Guest]):
    email = F("email")
    on_exit = mirrors.DELETE


@pytest.fixture
def customers(mirror):
    mirror("contact", Customer, CustomerMirror)


def track(who, **more):
    return conversion_sync.track(who, "Call", "We talked.", **more)


def test_an_engagement_by_email_creates_the_contact():
    row = track("Ann@x.example", data={"minutes": 5})
    assert (row.contact.key, row.name, row.data) == (ANN, "Call", {"minutes": 5})
    assert track(ANN).contact == row.contact


def test_an_engagement_of_a_source_key_is_entered_once():
    assert track(ANN, source_key="k") == track(ANN, source_key="k")
    track(ANN)
    track(ANN)
    assert Engagement.unmarked.count() == 3


def test_an_engagement_that_another_one_enters_meanwhile_is_entered_once(monkeypatch):
    first, known = track("bob@x.example", source_key="k"), by_hand._known

    def not_yet(*args, **kwargs):
        # It is committed right after it was looked for.
        monkeypatch.setattr(by_hand, "_known", known)

    monkeypatch.setattr(by_hand, "_known", not_yet)
    with transaction.atomic():
        assert track(ANN, source_key="k") == first
    assert [*contacts()] == ["bob@x.example"]
    assert Engagement.unmarked.count() == 1


@pytest.mark.parametrize("spelling", [lambda pk: pk.hex, lambda pk: str(pk).upper(), str])
@pytest.mark.parametrize("is_rendered", [True, False])
def test_an_instance_is_known_however_its_primary_key_is_spelled(mirror, spelling, is_rendered):
    mirror("contact", Guest, GuestMirror)
    guest = Guest.objects.create(pk=spelling(uuid.uuid4()), email=ANN)
    assert marks() == [("shop.guest", str(Guest.objects.get().pk), "C")]
    if is_rendered:
        render()
    assert track(guest).contact.key == ANN
    [found] = mirrors.explain(guest)
    assert (found.state, found.is_included, found.row) == ("mirrored", True, Contact.objects.get())
    guest.delete()
    render()
    assert not MirrorLink.objects.filter(state="mirrored", kind="contact").exists()


def test_a_number_is_known_by_its_digits(customers):
    customer = Customer(pk="7", email=ANN)
    customer.save()
    assert track(customer).contact.key == ANN


@pytest.mark.parametrize("model", [Customer, Contact, Plan])
def test_an_instance_that_was_never_saved_is_refused(customers, model):
    with pytest.raises(ValueError, match="was never saved"):
        track(model())
    with pytest.raises(ValueError, match="was never saved"):
        conversion_sync.set_subscription(model(), "UNSUBSCRIBED", reason="asked us")
    assert contacts() == {}


def test_an_engagement_of_an_instance_is_one_of_its_contact(customers):
    with transaction.atomic():
        customer = Customer.objects.create(email=ANN)
        row = track(customer)
    assert row.contact == Contact.objects.get()
    assert track(row.contact).contact == row.contact


def test_an_instance_without_a_contact_is_refused_in_words(customers):
    with pytest.raises(conversion_sync.NotMirrored, match=r"is_active=True"):
        track(Customer.objects.create(email=ANN, is_active=False))
    with pytest.raises(conversion_sync.NotMirrored, match=r"No mirror makes contacts of shop.Plan"):
        track(Plan.objects.create(name="pro"))


@pytest.mark.parametrize("who", ["nobody", "", "a\0@x.example"])
def test_an_email_that_is_none_is_refused(who):
    with pytest.raises(ValidationError):
        track(who)
    assert contacts() == {}


def test_a_text_that_can_not_be_sent_is_refused():
    with pytest.raises(ValidationError):
        track(ANN, data={"x": object()})


def subscribe(who, status, **more):
    conversion_sync.set_subscription(who, status, reason="asked us", **more)


def test_a_subscription_is_entered_with_its_reason():
    subscribe(ANN, "SUBSCRIBED", requested_by="anna")
    assert contacts()[ANN].subscription_status == "SUBSCRIBED"
    change = SubscriptionChange.unmarked.get()
    assert (change.reason, change.requested_by) == ("asked us", "anna")


def test_an_opt_out_of_who_has_no_contact_goes_by_the_address():
    subscribe("Ann@x.example", "UNSUBSCRIBED")
    assert contacts() == {}
    assert log(ANN) == [("UNSUBSCRIBED", "PENDING")]


def test_no_opt_out_is_lifted():
    Contact.objects.create(email=ANN, subscription_status="UNSUBSCRIBED")
    subscribe(ANN, "SUBSCRIBED")
    assert contacts()[ANN].subscription_status == "UNSUBSCRIBED"


def test_what_is_around_it_holds():
    with attributed(requested_by="anna", source="a view"):
        subscribe(ANN, "UNSUBSCRIBED")
    change = SubscriptionChange.unmarked.get()
    assert (change.requested_by, change.source) == ("anna", "a view")


@pytest.mark.parametrize(("status", "reason"), [("GONE", "x"), ("SUBSCRIBED", " ")])
def test_what_says_nothing_is_refused(status, reason):
    with pytest.raises(ValueError, match=r"status|reason"):
        conversion_sync.set_subscription(ANN, status, reason=reason)


@pytest.fixture
def heard():
    found = []

    def hear(**kwargs):
        found.append(kwargs["using"])

    signals.changed.connect(hear)
    yield found
    signals.changed.disconnect(hear)


@pytest.mark.django_db(transaction=True)
def test_saves_that_are_suspended_ask_for_no_drain(customers, heard):
    with conversion_sync.suspended():
        Contact.objects.create(email="bob@x.example")
        Customer.objects.create(email=ANN)
    assert heard == []
    assert len(marks()) == 1
    Customer.objects.create(email="carl@x.example")
    assert heard == ["default"]


@pytest.mark.django_db(transaction=True)
def test_a_save_beside_those_that_are_suspended_asks(customers, heard):
    with transaction.atomic():
        with conversion_sync.suspended():
            Customer.objects.create(email=ANN)
        Customer.objects.create(email="carl@x.example")
        with conversion_sync.suspended():
            Customer.objects.create(email="dora@x.example")
    assert heard == ["default"]


def test_saves_may_be_not_mirrored_at_all(customers):
    @conversion_sync.suspended(mirror=False)
    def load():
        Customer.objects.create(email=ANN)
        Customer.marked.update(name="B")
        Customer.objects.all().delete()

    load()
    assert marks() == []
    Customer.objects.create(email=ANN)
    assert len(marks()) == 1
    render()
    assert [*contacts()] == [ANN]


@pytest.mark.parametrize("who", [None, 7, ["ann@x.example"]])
def test_who_is_nobody_is_said(who):
    for call in (
        lambda: conversion_sync.track(who, "Name", "Description"),
        lambda: conversion_sync.set_subscription(who, "SUBSCRIBED", reason="asked"),
    ):
        with pytest.raises(TypeError, match="is no email, no contact"):
            call()


@pytest.mark.parametrize("data", [[1], "text", 7])
def test_data_that_are_no_object_are_said(data):
    with pytest.raises(ValidationError) as refused:
        conversion_sync.track("ann@x.example", "Name", "Description", data=data)
    assert [*refused.value.message_dict] == ["data"]
