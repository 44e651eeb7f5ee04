"""Where too many rows would leave, they wait for a person."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F, Q

from conversion_sync import mirrors
from conversion_sync.admin.pages.sources.words import wrong
from conversion_sync.mirrors.decisions import let_leave
from conversion_sync.mirrors.registry import registry
from conversion_sync.models import Contact, MirrorLink, MirrorState, SubscriptionChange
from conversion_sync.models.clock import DbNow
from conversion_sync.sync.clock import bring_back
from tests.mirrors.kit import State, link, render
from tests.mirrors.shop.models import Customer

pytestmark = pytest.mark.django_db


class CustomerMirror(mirrors.Mirror[Customer]):
    email = F("email")
    include = Q(is_active=True)
    on_exit = mirrors.DELETE


def customers(count):
    return [Customer.objects.create(email=f"c{number}@x.example") for number in range(count)]


def deactivate(some):
    for each in some:
        each.is_active = False
        each.save()


def held():
    return MirrorLink.objects.filter(state=State.HELD).count()


@pytest.fixture
def mirrored(mirror):
    mirror("contact", Customer, CustomerMirror)


def test_a_few_may_leave_whatever_their_share_is(mirrored):
    some = customers(19)
    render()
    deactivate(some)
    render()
    assert (Contact.unmarked.count(), held()) == (0, 0)


def test_many_wait(mirrored):
    some = customers(30)
    render()
    deactivate(some[:20])
    render()
    assert (Contact.unmarked.count(), held()) == (30, 20)


def test_those_that_leave_one_after_the_other_are_counted(mirrored):
    some = customers(30)
    render()
    for each in some[:25]:
        deactivate([each])
        render()
    assert (Contact.unmarked.count(), held()) == (30 - 19, 6)


def test_a_small_share_may_leave(mirrored, monkeypatch):
    monkeypatch.setattr("conversion_sync.mirrors.brakes.AT_LEAST", 2)
    some = customers(100)
    render()
    deactivate(some[:5])
    render()
    assert (Contact.unmarked.count(), held()) == (95, 0)
    deactivate(some[5:6])
    render()
    assert (Contact.unmarked.count(), held()) == (95, 1)


def test_who_is_deleted_counts_too(mirrored):
    some = customers(30)
    render()
    for each in some[:20]:
        each.delete()
    render()
    assert (Contact.unmarked.count(), held()) == (30, 20)


def test_who_comes_back_leaves_no_more(mirrored):
    some = customers(30)
    render()
    deactivate(some[:20])
    render()
    some[0].is_active = True
    some[0].save()
    render()
    assert link(some[0]).state == State.MIRRORED
    assert held() == 19


def test_who_waits_keeps_its_key(mirrored):
    some = customers(30)
    render()
    deactivate(some[:20])
    render()
    other = Customer.objects.create(email=some[0].email)
    render()
    assert link(other).state == State.CONFLICT


def test_what_is_kept_needs_no_brakes(mirror):
    class Kept(CustomerMirror):
        on_exit = mirrors.KEEP

    mirror("contact", Customer, Kept)
    some = customers(30)
    render()
    deactivate(some)
    render()
    assert (Contact.unmarked.count(), held()) == (30, 0)


def move(some):
    """Have each of them have the address of a contact that staff have made."""
    for each in some:
        each.email = f"staff{each.pk}@x.example"
        Contact.objects.create(email=each.email)
        each.save()


def old_rows():
    return Contact.unmarked.filter(email__startswith="c").count()


def test_a_few_that_move_to_other_rows_leave_theirs(mirrored):
    some = customers(19)
    render()
    move(some)
    render()
    assert old_rows() == 0


@pytest.fixture(params=[mirrors.DELETE, mirrors.UNSUBSCRIBE])
def moved(request, mirror):
    """Thirty sources that have the addresses of other contacts now."""

    class Leaving(CustomerMirror):
        on_exit = request.param

    declared = mirror("contact", Customer, Leaving)
    some = customers(30)
    render()
    move(some)
    render()
    return declared, some


def test_many_that_move_to_other_rows_wait(moved):
    _declared, some = moved
    assert (old_rows(), held()) == (30, 30)
    assert not Contact.unmarked.exclude(subscription_status="").exists()
    for each in some:
        there = link(each)
        assert (there.trouble, there.key) == (MirrorLink.Trouble.HELD, each.email)
        assert Contact.unmarked.get(pk=there.row or 0).email == f"c{some.index(each)}@x.example"
        assert wrong(there) == "It has another key now, of which a row is there already."


def test_they_move_when_a_person_lets_them(moved):
    declared, some = moved
    assert let_leave("default", declared, requested_by="sam") == 30
    render()
    gone = declared.on_exit is mirrors.DELETE
    out = SubscriptionChange.unmarked.filter(status="UNSUBSCRIBED", requested_by="sam")
    assert (old_rows(), out.count()) == ((0, 0) if gone else (30, 30))
    assert {link(each).state for each in some} == {State.MIRRORED}
    assert Contact.unmarked.get(pk=link(some[0]).row or 0).email == some[0].email


def test_they_stay_where_their_keys_are_corrected(moved):
    declared, some = moved
    for number, each in enumerate(some):
        each.email = f"c{number}@x.example"
        each.save()
    render()
    assert (Contact.unmarked.count(), held()) == (60, 0)
    assert let_leave("default", declared) == 0
    assert not Contact.unmarked.exclude(subscription_status="").exists()


def test_the_rows_of_a_chain_are_kept_together(mirrored):
    some = customers(60)
    render()
    for each, after in zip(some[:30], some[30:], strict=True):
        each.email = after.email
    move(some[30:])
    for each in some[:30]:
        each.save()
    render()
    assert (old_rows(), held()) == (60, 60)
    assert {link(each).row for each in some} == {
        *Contact.unmarked.filter(email__startswith="c").values_list("pk", flat=True)
    }


def test_those_that_leave_and_those_that_move_are_counted_together(mirrored):
    some = customers(30)
    render()
    deactivate(some[:10])
    move(some[10:20])
    render()
    assert (old_rows(), held()) == (20, 10)


def test_who_wants_the_key_of_one_that_is_held_gets_it(mirrored):
    some = customers(30)
    render()
    move(some)
    other = Customer.objects.create(email=some[0].email)
    render()
    assert held() == 30
    assert link(other).state == State.MIRRORED


def test_those_that_move_one_after_the_other_are_counted(mirrored):
    some = customers(30)
    render()
    for each in some:
        move([each])
        render()
    assert old_rows() == 11


def leave(some):
    deactivate(some)
    render()


def decide():
    [mirror] = registry.of(Customer)
    let_leave("default", mirror)
    render()


def set_back(by=timedelta(hours=1)):
    """As if the clock of the database were: all that is written down lies that far ahead."""
    for model, name in (
        (MirrorLink, "left_at"),
        (MirrorState, "released_at"),
        (MirrorState, "began_at"),
    ):
        model.objects.update(**{name: F(name) + by})
    bring_back("default")


def test_a_decision_of_a_clock_that_was_set_back_has_others_counted(mirrored):
    some = customers(100)
    render()
    leave(some[:30])
    decide()
    set_back()
    leave(some[30:45])
    leave(some[45:60])
    assert (Contact.unmarked.count(), held()) == (55, 15)


def test_who_left_by_a_clock_that_was_set_back_is_counted_until_a_person_decides(mirrored):
    some = customers(100)
    render()
    leave(some[:19])
    set_back(timedelta(days=365))
    leave(some[19:20])
    assert held() == 1
    decide()
    leave(some[20:21])
    assert (Contact.unmarked.count(), held()) == (79, 0)


def test_who_was_decided_of_before_the_clock_was_set_back_is_counted_no_more(mirrored):
    some = customers(100)
    render()
    leave(some[:15])
    MirrorState.objects.update(released_at=DbNow())
    set_back()
    leave(some[15:30])
    assert (Contact.unmarked.count(), held()) == (70, 0)


def test_who_left_after_a_decision_is_counted_though_the_clock_was_set_back(mirrored):
    some = customers(100)
    render()
    MirrorState.objects.update(released_at=DbNow())
    leave(some[:15])
    set_back()
    leave(some[15:30])
    assert (Contact.unmarked.count(), held()) == (85, 15)


def test_a_mirror_has_not_begun_later_than_now(mirrored):
    customers(1)
    render()
    set_back(timedelta(days=365))
    assert not MirrorState.objects.filter(began_at__gt=DbNow()).exists()
