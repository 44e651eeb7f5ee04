"""What a person decides: rows that are held may leave; sources are looked at again."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.models import F, Q

from conversion_sync import mirrors
from conversion_sync.mirrors import again, decisions
from conversion_sync.mirrors.decisions import (
    let_leave,
    look_again,
    look_again_at_all,
    release,
)
from conversion_sync.models import (
    Contact,
    Deletion,
    MirrorLink,
    MirrorMark,
    MirrorState,
    SubscriptionChange,
)
from tests.mirrors.kit import State, link, marks, render
from tests.mirrors.shop.models import Customer

pytestmark = pytest.mark.django_db


class Mend:
    """Whether the site's code is as it should be."""

    done = False


def nothing(customer):
    return 0 if Mend.done or customer.name != "raises" else 1 / 0


class CustomerMirror(mirrors.Mirror[Customer]):
    email = F("email")
    include = Q(is_active=True)
    variables = {"nothing": nothing}  # noqa: RUF012
    on_exit = mirrors.UNSUBSCRIBE


class DeletingMirror(CustomerMirror):
    on_exit = mirrors.DELETE


@pytest.fixture(autouse=True)
def _broken(monkeypatch):
    monkeypatch.setattr(Mend, "done", False)


@pytest.fixture
def declared(mirror):
    return mirror("contact", Customer, CustomerMirror)


def customers(count):
    return [Customer.objects.create(email=f"c{number}@x.example") for number in range(count)]


def exclude(some):
    for each in some:
        each.is_active = False
        each.save()
    render()


def held(count=20):
    some = customers(30)
    render()
    exclude(some[:count])
    assert states().get(State.HELD) == count
    return some


def states():
    found = MirrorLink.objects.values_list("state", flat=True)
    return {state: [*found].count(state) for state in found}


def opted_out():
    return SubscriptionChange.unmarked.filter(status="UNSUBSCRIBED")


def test_those_that_are_held_leave_with_the_next_drain(declared):
    held()
    assert let_leave("default", declared, requested_by="sam") == 20
    assert not opted_out().exists()
    assert states()[State.RELEASED] == 20
    assert not MirrorLink.objects.filter(trouble__isnull=False).exists()
    render()
    assert states() == {State.MIRRORED: 10, State.EXCLUDED: 20}
    assert opted_out().count() == 20
    assert {*opted_out().values_list("requested_by", "source", "reason")} == {
        ("sam", "mirror", declared.label)
    }


def hold_more_after(statements, *pks):
    """Have links be held, as a drain would, once the first of them are released."""
    seen = []

    def wrapper(execute, sql, params, many, context):
        found = execute(sql, params, many, context)
        if sql.startswith("UPDATE") and State.RELEASED in params:
            seen.append(sql)
            if len(seen) <= statements:
                one = MirrorLink.objects.filter(pk=pks[len(seen) - 1])
                one.update(state=State.HELD, trouble=MirrorLink.Trouble.HELD)
        return found

    return connection.execute_wrapper(wrapper)


def test_those_that_are_held_meanwhile_are_none_of_the_decision(declared, monkeypatch):
    monkeypatch.setattr(decisions, "SOURCES", 7)
    some = held()
    with hold_more_after(2, link(some[20]).pk, link(some[21]).pk):
        assert let_leave("default", declared, requested_by="sam") == 20
    assert states() == {State.RELEASED: 20, State.HELD: 2, State.MIRRORED: 8}


@pytest.mark.parametrize(("at_most", "released"), [(0, 0), (19, 0), (20, 20), (21, 20)])
def test_no_more_leave_than_were_confirmed(declared, at_most, released):
    held()
    assert let_leave("default", declared, at_most=at_most, requested_by="sam") == released
    assert states().get(State.RELEASED, 0) == released
    assert (MirrorState.objects.get().released_by == "sam") is bool(released)
    render()
    assert opted_out().count() == released


def test_a_decision_takes_few_statements_and_one_mark(declared, django_assert_max_num_queries):
    held()
    with django_assert_max_num_queries(6):
        let_leave("default", declared)
    assert marks() == [(declared.label, "released", "A")]


def test_the_drains_go_through_those_that_were_let_leave(declared, monkeypatch):
    monkeypatch.setattr(again, "LINKS", 3)
    some = held()
    Customer.objects.filter(pk=some[0].pk).update(name="raises")
    some[1].delete()
    let_leave("default", declared)
    render()
    assert not marks()
    assert opted_out().count() == 19
    assert states() == {State.RELEASED: 1, State.EXCLUDED: 18, State.GONE: 1, State.MIRRORED: 10}


def test_who_decided_is_said_of_deletions_too(mirror):
    declared = mirror("contact", Customer, DeletingMirror)
    held()
    Contact.unmarked.update(remote_id="1", synced_revision=1, sent_key=F("key"))
    release("default", declared, requested_by="sam")
    assert Contact.unmarked.count() == 10
    assert {*Deletion.unmarked.values_list("requested_by", flat=True)} == {"sam"}


def test_who_leaves_by_itself_in_the_same_drain_is_nobodys_decision(declared):
    some = held()
    let_leave("default", declared, requested_by="sam")
    exclude(some[20:21])
    assert opted_out().get(address=some[20].email).requested_by == ""
    assert opted_out().count() == 21


def test_who_is_included_again_stays(declared):
    some = held()
    let_leave("default", declared)
    some[0].is_active = True
    some[0].save()
    render()
    assert link(some[0]).state == State.MIRRORED
    assert opted_out().count() == 19


def test_those_that_would_leave_after_the_decision_are_held_anew(declared):
    customers(50)
    render()
    everybody = list(Customer.objects.order_by("pk"))
    exclude(everybody[:20])
    let_leave("default", declared)
    exclude(everybody[20:45])
    assert opted_out().count() == 20
    assert states()[State.HELD] == 25


def test_those_that_were_let_leave_are_not_counted(declared):
    some = held()
    release("default", declared)
    exclude(some[20:21])
    assert (states().get(State.HELD), opted_out().count()) == (None, 21)


def test_one_whose_mirror_raises_is_no_reason_not_to_end(declared, monkeypatch):
    monkeypatch.setattr(decisions, "SOURCES", 3)
    some = held()
    Customer.objects.filter(pk=some[0].pk).update(name="raises")
    report = release("default", declared)
    assert (report.counts["left"], report.counts["faulty"]) == (19, 1)
    assert link(some[0]).trouble == MirrorLink.Trouble.FAULT
    monkeypatch.setattr(Mend, "done", True)
    look_again("default", MirrorLink.objects.filter(trouble="fault"))
    render()
    assert opted_out().count() == 20


def test_when_and_by_whom_is_kept(declared):
    held()
    let_leave("default", declared, requested_by="sam")
    state = MirrorState.objects.get(mirror=declared.label)
    assert state.released_by == "sam"
    assert state.released_at is not None


def test_a_source_is_looked_at_again(declared, monkeypatch):
    source = Customer.objects.create(email="ann@x.example", name="raises")
    render()
    assert not Contact.unmarked.exists()
    monkeypatch.setattr(Mend, "done", True)
    assert look_again("default", MirrorLink.objects.filter(pk=link(source).pk)) == 1
    assert not MirrorMark.objects.get().bulk
    render()
    assert Contact.unmarked.exists()
    assert link(source).trouble is None


def test_many_are_looked_at_again_in_bulk(declared, monkeypatch):
    monkeypatch.setattr(decisions, "SOURCES", 2)
    some = customers(5)
    render()
    assert look_again("default", MirrorLink.objects.all()) == 5
    assert marks() == [("shop.customer", str(each.pk), "C") for each in some]


@pytest.mark.parametrize("trouble", ["fault", ""])
def test_all_with_a_trouble_are_looked_at_again_by_the_drains(declared, monkeypatch, trouble):
    monkeypatch.setattr(again, "LINKS", 2)
    for number in range(5):
        Customer.objects.create(email=f"f{number}@x.example", name="raises")
    render()
    monkeypatch.setattr(Mend, "done", True)
    assert look_again_at_all("default", declared, "no-key") == 0
    render()
    assert MirrorLink.objects.filter(trouble="fault").count() == 5
    assert look_again_at_all("default", declared, trouble) == 5
    assert len(marks()) == 1
    render()
    assert states() == {State.MIRRORED: 5}
    assert not marks()


def test_what_was_asked_of_a_mirror_that_is_gone_is_dropped(declared):
    look_again_at_all("default", declared)
    MirrorMark.objects.update(model="shop.Forgotten")
    render()
    assert not marks()


def test_of_a_mirror_that_is_declared_no_more_nothing_is_looked_at(declared):
    customers(1)
    render()
    MirrorLink.objects.update(mirror="shop.Forgotten")
    assert look_again("default", MirrorLink.objects.all()) == 0
    assert not marks()
