"""Keys that pass from source to source, more of them than are rendered at once: it ends."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.db.models import F, Q

from conversion_sync import mirrors
from conversion_sync.mirrors.explain import row_of
from conversion_sync.mirrors.render import render as rendered
from conversion_sync.mirrors.step import step
from conversion_sync.models import Contact, MirrorLink, MirrorMark
from tests.mirrors.kit import State, contacts, link, marks, render
from tests.mirrors.shop.models import Customer, Person

pytestmark = pytest.mark.django_db


class CustomerMirror(mirrors.Mirror[Customer]):
    email = F("email")
    include = Q(is_active=True)
    variables = {"first_name": F("name")}  # noqa: RUF012
    on_exit = mirrors.UNSUBSCRIBE


class PersonMirror(mirrors.Mirror[Person]):
    email = F("email")
    variables = {"first_name": F("pk")}  # noqa: RUF012
    on_exit = mirrors.UNSUBSCRIBE


class DeletingMirror(CustomerMirror):
    on_exit = mirrors.DELETE


def customers(count):
    some = [Customer(name=f"n{each}", email=f"c{each}@x.example") for each in range(count)]
    return Customer.marked.bulk_create(some)


def say(some, email):
    """Have each of them have another email: ``email(place)``, in one transaction."""
    with transaction.atomic():
        for place, each in enumerate(some):
            each.email = email(place)
            each.save()


def drain(most, steps=60):
    """Take the drain's step, and see that it ends, and that the marks are never more than that."""
    for _ in range(steps):
        if not step("default"):
            break
        assert MirrorMark.objects.count() <= most
    assert marks() == []


def names():
    return {key: row.first_name for key, row in contacts().items()}


def opted_out():
    return [*Contact.unmarked.filter(subscription_status="UNSUBSCRIBED").values_list("key")]


@pytest.mark.parametrize("person_first", [True, False])
@pytest.mark.parametrize("at_once", [1, 200])
def test_sources_of_two_mirrors_swap_their_emails(mirror, monkeypatch, person_first, at_once):
    monkeypatch.setattr("conversion_sync.mirrors.step.MARKS", at_once)
    declared = [("contact", Person, PersonMirror), ("contact", Customer, CustomerMirror)]
    for each in declared if person_first else declared[::-1]:
        mirror(*each)
    person = Person.objects.create(email="p@x.example")
    customer = Customer.objects.create(name="Customer", email="c@x.example")
    render()
    rows = {key: row.pk for key, row in contacts().items()}
    with transaction.atomic():
        person.email, customer.email = customer.email, person.email
        person.save()
        customer.save()
    drain(most=4)
    assert names() == {"p@x.example": "Customer", "c@x.example": str(person.pk)}
    assert {key: row.pk for key, row in contacts().items()} == rows
    assert [link(each).state for each in (person, customer)] == [State.MIRRORED] * 2
    assert opted_out() == []


@pytest.mark.parametrize("at_once", [1, 2, 3, 7])
@pytest.mark.parametrize("by", [1, -1, 3])
@pytest.mark.parametrize("cls", [CustomerMirror, DeletingMirror])
def test_a_ring_that_is_longer_than_what_is_rendered_at_once(mirror, monkeypatch, at_once, by, cls):
    mirror("contact", Customer, cls)
    some = customers(8)
    render()
    rows = {key: row.pk for key, row in contacts().items()}
    monkeypatch.setattr("conversion_sync.mirrors.step.MARKS", at_once)
    say(some, lambda place: f"c{(place + by) % 8}@x.example")
    drain(most=16)
    assert names() == {f"c{(place + by) % 8}@x.example": f"n{place}" for place in range(8)}
    # Nobody has left: each address has the row, and the consent, that it had.
    assert {key: row.pk for key, row in contacts().items()} == rows
    assert opted_out() == []


@pytest.mark.parametrize("at_once", [1, 2, 3, 7])
@pytest.mark.parametrize("by", [1, -1])
def test_a_chain_that_is_longer_than_what_is_rendered_at_once(mirror, monkeypatch, at_once, by):
    mirror("contact", Customer, DeletingMirror)
    some = customers(8)
    render()
    monkeypatch.setattr("conversion_sync.mirrors.step.MARKS", at_once)
    say(some, lambda place: f"c{place + by}@x.example")
    drain(most=16)
    assert names() == {f"c{place + by}@x.example": f"n{place}" for place in range(8)}


def test_a_ring_of_more_than_a_transaction_deals_with(mirror):
    mirror("contact", Customer, DeletingMirror)
    some = customers(201)
    render()
    say(some, lambda place: f"c{(place + 1) % 201}@x.example")
    drain(most=402)
    assert names() == {f"c{(place + 1) % 201}@x.example": f"n{place}" for place in range(201)}


@pytest.mark.parametrize("at_once", [1, 200])
@pytest.mark.parametrize("cls", [CustomerMirror, DeletingMirror])
def test_those_whose_email_becomes_that_of_another_keep_their_rows(
    mirror, monkeypatch, at_once, cls
):
    mirror("contact", Customer, cls)
    some = customers(30)
    render()
    monkeypatch.setattr("conversion_sync.mirrors.step.MARKS", at_once)
    Customer.marked.update(email="info@x.example")
    drain(most=60)
    first, *others = some
    assert {link(each).state for each in others} == {State.CONFLICT}
    expected = {"info@x.example": "n0"} | {each.email: each.name for each in others}
    assert names() == expected
    assert opted_out() == []
    # What is put right is as it was.
    say(others, lambda place: f"c{place + 1}@x.example")
    drain(most=60)
    assert names() == expected
    assert {link(each).state for each in some} == {State.MIRRORED}
    assert first.pk


def test_a_row_that_is_kept_is_of_whoever_has_its_email(mirror):
    mirror("contact", Customer, DeletingMirror)
    first, second = customers(2)
    render()
    say([first], lambda place: second.email)
    render()
    assert (link(first).state, link(first).row) == (State.CONFLICT, contacts()["c0@x.example"].pk)
    third = Customer.objects.create(name="n2", email="c0@x.example")
    drain(most=2)
    assert names() == {"c0@x.example": "n2", "c1@x.example": "n1"}
    assert link(third).row == contacts()["c0@x.example"].pk
    second.delete()
    drain(most=2)
    assert names() == {"c0@x.example": "n2", "c1@x.example": "n0"}


def test_a_row_that_is_kept_leaves_with_its_source_and_when_the_other_is_taken_over(mirror):
    mirror("contact", Customer, DeletingMirror)
    first, second, third = customers(3)
    render()
    say([first, third], lambda place: second.email)
    render()
    third.delete()
    render()
    assert names() == {"c0@x.example": "n0", "c1@x.example": "n1"}
    second.delete()
    render()
    assert names() == {"c1@x.example": "n0"}
    assert link(first).state == State.MIRRORED


def test_who_waits_for_its_turn_and_is_gone_leaves_what_it_was_left(mirror):
    declared = mirror("contact", Customer, CustomerMirror)
    first, second = customers(2)
    render()
    say([first, second], lambda place: f"c{1 - place}@x.example")
    rendered("default", declared, [first.pk])
    assert (link(first).row, link(second).state) == (contacts()["c1@x.example"].pk, State.WAITING)
    # What it has meanwhile does not stand for it.
    assert row_of(second, MirrorLink.Kind.CONTACT) is None
    second.delete()
    drain(most=3)
    assert opted_out() == [("c0@x.example",)]


def test_who_waits_for_its_turn_and_says_another_email_gets_a_row_of_its_own(mirror):
    declared = mirror("contact", Customer, CustomerMirror)
    first, second = customers(2)
    render()
    say([first, second], lambda place: f"c{1 - place}@x.example")
    rendered("default", declared, [first.pk])
    say([second], lambda place: "other@x.example")
    before = contacts()["c0@x.example"].pk
    drain(most=3)
    assert contacts()["other@x.example"].pk != before
    assert opted_out() == [("c0@x.example",)]
    assert link(second).state == State.MIRRORED


def test_a_step_deals_with_something_however_late_it_is(mirror, monkeypatch):
    mirror("contact", Customer, CustomerMirror)
    monkeypatch.setattr("conversion_sync.mirrors.step.STEP_SECONDS", 0)
    customers(1)
    assert step("default") == 1
