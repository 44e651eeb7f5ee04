"""Two sources with one key: the first owns the row, and the other takes over when it goes."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.db.models import F, Q

from conversion_sync import mirrors
from conversion_sync.mirrors.step import step
from conversion_sync.models import Contact
from conversion_sync.status.messages import in_words
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


@pytest.fixture
def customers(mirror):
    mirror("contact", Customer, CustomerMirror)


def customer(name, email="same@x.example"):
    return Customer.objects.create(name=name, email=email)


@pytest.mark.parametrize("together", [True, False])
def test_the_first_owns_the_row_and_the_other_is_shown(customers, together):
    first = customer("First")
    if not together:
        render()
    second = customer("Second", "SAME@x.example")
    render()
    [row] = Contact.unmarked.all()
    assert row.first_name == "First"
    assert (link(first).state, link(second).state) == (State.MIRRORED, State.CONFLICT)
    words = in_words(link(second).reason)
    assert words == f"tests.CustomerMirror has the row of this key, for {first.pk}."


@pytest.mark.parametrize("how", ["deleted", "excluded"])
def test_the_other_takes_over_in_place_of_what_would_be_done(customers, how):
    first, second = customer("First"), customer("Second")
    render()
    if how == "deleted":
        first.delete()
    else:
        first.is_active = False
        first.save()
    render()
    [row] = Contact.unmarked.all()
    assert (row.first_name, row.subscription_status) == ("Second", "")
    assert link(second).row == row.pk


def test_who_took_over_goes_by_what_its_own_mirror_says(customers):
    first, second = customer("First"), customer("Second")
    render()
    first.delete()
    second.is_active = False
    second.save()
    render()
    [row] = Contact.unmarked.all()
    assert row.subscription_status == "UNSUBSCRIBED"


def test_a_conflict_ends_when_the_first_has_another_email(customers):
    first, second = customer("First"), customer("Second")
    render()
    first.email = "first@x.example"
    first.save()
    render()
    assert {key: row.first_name for key, row in contacts().items()} == {
        "first@x.example": "First",
        "same@x.example": "Second",
    }
    assert link(second).state == State.MIRRORED


def test_two_that_swap_their_emails_are_known_by_them(customers):
    first, second = customer("First", "a@x.example"), customer("Second", "b@x.example")
    render()
    rows = {key: row.pk for key, row in contacts().items()}
    with transaction.atomic():
        first.email, second.email = second.email, first.email
        first.save()
        second.save()
    render()
    assert {key: row.first_name for key, row in contacts().items()} == {
        "a@x.example": "Second",
        "b@x.example": "First",
    }
    assert {key: row.pk for key, row in contacts().items()} == rows
    assert link(first).row == rows["b@x.example"]


def test_a_chain_of_emails_is_followed_whatever_comes_first(customers, monkeypatch):
    # One mark at a time: what gives a key up comes after what wants it.
    monkeypatch.setattr("conversion_sync.mirrors.step.MARKS", 1)
    first, second = customer("First", "a@x.example"), customer("Second", "b@x.example")
    render()
    with transaction.atomic():
        Customer.objects.filter(pk=second.pk).update(email="c@x.example")
        first.email = "b@x.example"
        first.save()
        second.refresh_from_db()
        second.save()
    render()
    found = {
        key: row.first_name for key, row in contacts().items() if row.subscription_status == ""
    }
    assert found == {"b@x.example": "First", "c@x.example": "Second"}


def test_sources_of_two_mirrors_share_their_keys(customers, mirror):
    mirror("contact", Person, PersonMirror)
    person = Person.objects.create(email="same@x.example")
    render()
    other = customer("Second")
    render()
    assert link(other).state == State.CONFLICT
    person.delete()
    render()
    assert link(other).state == State.MIRRORED
    assert contacts()["same@x.example"].first_name == "Second"


def test_a_row_of_a_mirror_that_is_declared_no_more_is_anybodys(mirror):
    mirror("contact", Person, PersonMirror)
    Person.objects.create(email="same@x.example")
    render()
    from conversion_sync.mirrors.registry import registry
    from tests.mirrors.kit import declared

    with registry.only(declared("contact", Customer, CustomerMirror)):
        other = customer("Second")
        render()
        assert link(other).row == Contact.unmarked.get().pk


def test_those_that_wait_for_one_key_leave_each_other_alone(customers):
    some = [customer(name) for name in ("First", "Second", "Third")]
    render()
    for each in some:
        each.save()
    # Each look at one that waits would ask for another look, for ever.
    assert step("default") == 3
    assert marks() == []
    some[0].delete()
    render()
    assert [link(each).state for each in some[1:]] == [State.MIRRORED, State.CONFLICT]


class OddMirror(CustomerMirror):
    variables = {"first_name": F("name"), "odd": lambda each: odd(each)}  # noqa: RUF012
    on_exit = mirrors.DELETE


def odd(each):
    return float("nan") if each.name == "Odd" else 1


@pytest.mark.parametrize("marked", [1, 200])
def test_one_that_gives_its_key_up_but_is_stuck_keeps_its_row_or_gives_it_up(
    mirror, monkeypatch, marked
):
    monkeypatch.setattr("conversion_sync.mirrors.step.MARKS", marked)
    mirror("contact", Customer, OddMirror)
    first, second = customer("First", "a@x.example"), customer("Second", "b@x.example")
    render()
    with transaction.atomic():
        first.email = "b@x.example"
        first.save()
        second.name, second.email = "Odd", "c@x.example"
        second.save()
    for _ in range(20):
        step("default")
    # It ends, and nobody has the row of another.
    assert marks() == []
    assert link(second).state == State.EXCLUDED
    assert "odd" in link(second).reason
    owned = [link(each).row for each in (first, second)]
    assert owned.count(contacts()["b@x.example"].pk) == 1


def test_one_whose_key_is_held_back_by_the_brakes_is_in_conflict(mirror, monkeypatch):
    monkeypatch.setattr("conversion_sync.mirrors.brakes.AT_LEAST", 1)
    mirror("contact", Customer, CustomerMirror)
    first, second = customer("First", "a@x.example"), customer("Second", "b@x.example")
    render()
    second.is_active = False
    second.save()
    first.email = "b@x.example"
    first.save()
    for _ in range(20):
        step("default")
    assert marks() == []
    assert (link(first).state, link(second).state) == (State.CONFLICT, State.HELD)


def test_of_two_that_are_seen_at_once_the_first_owns_it_whatever_their_keys_are(customers):
    first, second = (Customer.objects.create(pk=pk, email="same@x.example") for pk in (900, 1_000))
    render()
    assert (link(first).state, link(second).state) == (State.MIRRORED, State.CONFLICT)


def faulty(each):
    if each.name == "Faulty":
        raise LookupError
    return odd(each)


class HeirsMirror(OddMirror):
    variables = {"first_name": F("name"), "odd": lambda each: faulty(each)}  # noqa: RUF012


def rename(customers, names):
    for each, name in zip(customers, names, strict=True):
        each.name = name
        each.save()
    render()


#: What an heir may be that can't be used.
STUCK = ["Odd", "Faulty"]


@pytest.mark.parametrize("marked", [1, 200])
@pytest.mark.parametrize("how", ["deleted", "excluded", "renamed"])
@pytest.mark.parametrize("names", [*([each] for each in STUCK), STUCK, STUCK[::-1]])
def test_where_the_first_that_waits_can_not_be_used_the_next_takes_over(
    mirror, monkeypatch, names, how, marked
):
    monkeypatch.setattr("conversion_sync.mirrors.step.MARKS", marked)
    mirror("contact", Customer, HeirsMirror)
    owner = customer("Owner")
    render()
    heirs = [customer("Heir") for _ in names]
    last = customer("Last")
    render()
    rename(heirs, names)
    pk = Contact.unmarked.get().pk
    if how == "deleted":
        owner.delete()
    elif how == "excluded":
        owner.is_active = False
        owner.save()
    else:
        owner.email = "other@x.example"
        owner.save()
    render()
    row = contacts()["same@x.example"]
    assert (row.first_name, link(last).row, link(last).state) == ("Last", row.pk, State.MIRRORED)
    if how != "renamed":
        assert row.pk == pk
    assert marks() == []


@pytest.mark.parametrize("name", STUCK)
def test_where_nobody_that_waits_can_be_used_the_row_stays_until_one_can(mirror, name):
    mirror("contact", Customer, HeirsMirror)
    owner = customer("Owner")
    render()
    heirs = [customer("Heir"), customer("Heir")]
    render()
    rename(heirs, [name, name])
    owner.delete()
    render()
    row = Contact.unmarked.get()
    assert (row.first_name, row.sync_status) == ("Owner", "PENDING")
    assert {link(each).row for each in heirs} == {None}
    heirs[1].name = "Heir"
    heirs[1].save()
    render()
    assert (Contact.unmarked.get().pk, link(heirs[1]).row) == (row.pk, row.pk)
    heirs[1].delete()
    render()
    heirs[0].delete()
    render()
    assert contacts() == {}


@pytest.mark.parametrize("email", ["", "none"])
@pytest.mark.parametrize("is_first", [True, False])
def test_an_heir_whose_address_is_none_now_gives_its_turn_up(mirror, email, is_first):
    mirror("contact", Customer, HeirsMirror)
    owner, heir, last = customer("Owner"), customer("Heir"), customer("Last")
    render()
    heir.email = email
    with transaction.atomic():
        for change in [heir.save, owner.delete] if is_first else [owner.delete, heir.save]:
            change()
    render()
    assert [row.first_name for row in contacts().values()] == ["Last"]
    assert link(last).state == State.MIRRORED


@pytest.mark.parametrize("name", STUCK)
def test_of_two_that_are_seen_at_once_the_second_owns_it_where_the_first_can_not(mirror, name):
    mirror("contact", Customer, HeirsMirror)
    customer(name, "a@x.example")
    pks = [900, 1_000]
    first, second = (
        Customer.objects.create(pk=pk, name=each, email="same@x.example")
        for pk, each in zip(pks, [name, "Second"], strict=True)
    )
    render()
    assert contacts()["same@x.example"].first_name == "Second"
    assert link(second).state == State.MIRRORED
    first.name = "First"
    first.save()
    render()
    assert link(first).state == State.CONFLICT
