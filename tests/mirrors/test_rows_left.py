"""A row that no source has any more is never forgotten: it goes, or a person is told of it."""

from __future__ import annotations

import pytest
from django.db.models import F, Q

from conversion_sync import mirrors
from conversion_sync.admin.pages.sources.words import wrong
from conversion_sync.mirrors.decisions import let_leave
from conversion_sync.mirrors.registry import registry
from conversion_sync.mirrors.render import render as render_some
from conversion_sync.models import Contact, MirrorLink, SubscriptionChange
from tests.mirrors.kit import State, contacts, link, render
from tests.mirrors.shop.models import Customer

pytestmark = pytest.mark.django_db

#: So many rows may not leave at once.
MANY = 20


def extra(customer):
    """JSON has no word for it where it is odd: not every database would keep that itself."""
    return float("nan") if customer.extra == {"value": "odd"} else customer.extra.get("value")


class CustomerMirror(mirrors.Mirror[Customer]):
    email = F("email")
    include = Q(is_active=True)
    variables = {"extra": extra, "first_name": F("name")}  # noqa: RUF012


@pytest.fixture(params=[mirrors.DELETE, mirrors.UNSUBSCRIBE])
def mirrored(request, mirror):
    class Leaving(CustomerMirror):
        on_exit = request.param

    return mirror("contact", Customer, Leaving)


def customers(name, count=MANY):
    return [Customer.objects.create(email=f"{name}{number}@x.example") for number in range(count)]


def save(some, **values):
    for each in some:
        for name, value in values.items():
            setattr(each, name, value)
        each.save()


def rename(some, name):
    for number, each in enumerate(some):
        each.email = f"{name}{number}@x.example"
        each.save()


def only(some):
    """Render these, and none of the others that are marked: as a drain of others does."""
    [declared] = [*registry]
    render_some("default", declared, [each.pk for each in some])


def rows(name):
    return Contact.unmarked.filter(email__startswith=name).count()


def owned():
    """The rows of the sources, and those of which they are to say what becomes."""
    links = MirrorLink.objects.all()
    return {
        *links.exclude(row=None).values_list("row", flat=True),
        *(pk for each in links for pk in each.orphans or ()),
    }


def everybody():
    return {*Contact.unmarked.values_list("pk", flat=True)}


def are_held(some, wanted="Another row was its own"):
    found = [link(each) for each in some]
    assert {each.trouble for each in found} == {MirrorLink.Trouble.HELD}
    assert all(wrong(each).startswith(wanted) for each in found)


def opted_out():
    return {
        *SubscriptionChange.unmarked.filter(status="UNSUBSCRIBED").values_list("address", flat=True)
    }


def kept(name):
    """Rows of these names, which were opted out: what the mirror does with them is done."""
    return {*Contact.unmarked.filter(email__startswith=name).values_list("pk", flat=True)}


def have_left(declared, name, count=MANY):
    """The rows of these names went as the mirror says."""
    if declared.on_exit is mirrors.DELETE:
        assert rows(name) == 0
    else:
        assert opted_out() >= {f"{name}{number}@x.example" for number in range(count)}


def let_all_leave(declared, count=MANY):
    assert let_leave("default", declared, requested_by="sam") == count
    render()
    assert not MirrorLink.objects.filter(trouble=MirrorLink.Trouble.HELD).exists()


@pytest.fixture
def taken_over(mirrored):
    """Half as many went, and those that waited for their rows have these; and had others."""
    owners, waiting = customers("k", 10), customers("own", 10)
    render()
    rename(waiting, "k")
    render()
    save(owners, is_active=False)
    render()
    return mirrored, waiting


def test_who_takes_over_many_rows_has_them_and_what_it_had_waits(taken_over):
    _declared, waiting = taken_over
    are_held(waiting)
    assert {contacts()[each.email].pk for each in waiting} == {link(each).row for each in waiting}
    assert (rows("own"), opted_out()) == (10, set())
    assert owned() == everybody()


def test_what_those_had_that_took_over_leaves_when_a_person_lets_it(taken_over):
    declared, waiting = taken_over
    let_all_leave(declared, 10)
    have_left(declared, "own", 10)
    assert {link(each).state for each in waiting} == {State.MIRRORED}
    assert {link(each).orphans for each in waiting} == {None}
    assert rows("k") == 10
    assert not opted_out() & {each.email for each in waiting}


def test_what_waits_stays_so_whatever_is_saved(taken_over):
    _declared, waiting = taken_over
    save(waiting, name="New")
    render()
    are_held(waiting)
    assert {row.first_name for row in contacts().values()} == {"New", ""}
    assert owned() == everybody()


def test_what_waits_is_another_source_s_that_has_its_key(taken_over):
    declared, waiting = taken_over
    others = customers("own", 10)
    render()
    assert owned() == everybody()
    let_all_leave(declared, 10)
    assert rows("own") == 10
    assert opted_out() == set()
    assert {link(each).state for each in [*others, *waiting]} == {State.MIRRORED}


@pytest.fixture
def freed(mirrored):
    """Many went, as a person has let them, and those that wait for their rows have none."""
    owners, waiting = customers("k"), customers("k")
    render()
    save(owners, is_active=False)
    render()
    assert let_leave("default", mirrored) == MANY
    only(owners)
    assert {link(each).state for each in waiting} == {State.CONFLICT}
    return mirrored, waiting


def test_rows_that_were_to_be_taken_over_wait_where_that_is_not_wanted_any_more(freed):
    declared, waiting = freed
    rename(waiting, "new")
    render()
    are_held(waiting)
    assert {link(each).key for each in waiting} == {each.email for each in waiting}
    assert (rows("new"), rows("k"), opted_out()) == (MANY, MANY, set())
    assert owned() == everybody()
    let_all_leave(declared)
    have_left(declared, "k")
    assert rows("new") == MANY


def test_rows_that_were_to_be_taken_over_wait_where_the_next_ones_leave_as_well(freed):
    declared, waiting = freed
    save(waiting, is_active=False)
    render()
    are_held(waiting, "This does not hold of it")
    assert (rows("k"), opted_out()) == (MANY, set())
    assert owned() == everybody()
    let_all_leave(declared)
    have_left(declared, "k")


def test_a_row_goes_whose_owner_and_who_waited_for_it_change_at_once(mirrored):
    """Who waited for it waits for another one's from then on: it does not take this one over."""
    [owner, waiting], [other] = customers("k", 1) + customers("k", 1), customers("z", 1)
    render()
    assert link(waiting).state == State.CONFLICT
    rename([waiting], "z")
    save([owner], is_active=False)
    render()
    assert (link(waiting).state, link(other).state) == (State.CONFLICT, State.MIRRORED)
    have_left(mirrored, "k", 1)
    assert owned() == everybody() - kept("k")


def test_a_few_rows_that_were_to_be_taken_over_go_as_the_mirror_says(mirrored):
    owner, waiting = customers("k", 1) + customers("k", 1)
    render()
    save([owner], is_active=False)
    only([owner])
    rename([waiting], "new")
    render()
    have_left(mirrored, "k", 1)
    assert link(waiting).state == State.MIRRORED


@pytest.mark.parametrize("unusable", [{"extra": {"value": "odd"}}, {"email": "no address"}])
def test_rows_that_were_to_be_taken_over_wait_for_values_that_can_be_used(mirrored, unusable):
    owner, waiting = customers("k", 1) + customers("k", 1)
    render()
    save([owner], is_active=False)
    only([owner])
    save([waiting], **unusable)
    render()
    assert link(waiting).trouble == MirrorLink.Trouble.UNUSABLE
    assert owned() == everybody()
    save([waiting], extra={}, email="new@x.example")
    render()
    have_left(mirrored, "k", 1)
    assert link(waiting).orphans is None
    assert owned() == everybody() - kept("k")


@pytest.fixture
def set_aside(mirrored):
    """Of many the rows were taken, by others that left theirs; and they are rendered after it."""
    owners, takers = customers("k"), customers("own")
    render()
    rename(owners, "new")
    rename(takers, "k")
    only(takers)
    assert {link(each).state for each in owners} == {State.WAITING}
    render()
    return mirrored, owners, takers


def test_what_is_left_at_the_end_of_many_chains_waits(set_aside):
    _declared, owners, takers = set_aside
    are_held(owners)
    assert {link(each).state for each in takers} == {State.MIRRORED}
    for each in [*owners, *takers]:
        assert contacts()[each.email].pk == link(each).row
    assert (rows("own"), opted_out()) == (MANY, set())
    assert owned() == everybody()


def test_what_is_left_at_the_end_of_many_chains_leaves_when_a_person_lets_it(set_aside):
    declared, _owners, _takers = set_aside
    let_all_leave(declared)
    have_left(declared, "own")
    assert (rows("new"), rows("k")) == (MANY, MANY)


def test_who_has_moved_is_counted_whatever_is_saved_of_it_later(mirrored):
    some = customers("c", 30)
    render()
    for number, each in enumerate(some):
        Contact.objects.create(email=f"staff{number}@x.example")
        save([each], email=f"staff{number}@x.example")
        render()
        save([each], name="Later")
        render()
    assert MirrorLink.objects.filter(state=State.HELD).count() == 11
