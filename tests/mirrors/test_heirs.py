"""Models that inherit others under primary keys that differ: marked by the right ones."""

from __future__ import annotations

import pytest
from django.core import serializers
from django.db.models import Count, F

from conversion_sync import mirrors, track
from conversion_sync.mirrors import explain
from conversion_sync.mirrors.explain import row_of, standings
from conversion_sync.models import Engagement, MirrorLink, MirrorMark
from tests.mirrors.kit import contacts, marks, render
from tests.mirrors.shop.models import (
    Account,
    Agent,
    Apprentice,
    Clerk,
    Deal,
    KnownAgent,
    Person,
    Seller,
    Tag,
    Visit,
)

pytestmark = pytest.mark.django_db


class SellerMirror(mirrors.Mirror[Seller]):
    email = F("email")
    variables = {  # noqa: RUF012
        "limit": F("limit"),
        "visits": F("visits__place"),
        "tags": F("tags__name"),
        "friends": Count("friends"),
    }


class AccountMirror(mirrors.Mirror[Account]):
    """Of a parent: what it says of its heirs, under its own key."""

    def email(self, account):
        return f"{account.number}@accounts.example"

    variables = {"limit": F("limit")}  # noqa: RUF012


@pytest.fixture(autouse=True)
def apart():
    """No account has the number of a person."""
    for _ in range(3):
        Account.objects.create()
    Account.objects.all().delete()


def seller(name="ann", model=Seller, **values):
    found = model.objects.create(email=f"{name}@x.example", **values)
    assert found.number != found.id
    return found


def said(name="ann"):
    return contacts()[f"{name}@x.example"].custom_variables


@pytest.fixture(params=[Seller, Agent])
def ann(request, mirror):
    mirror("contact", Seller, SellerMirror)
    found = seller(model=request.param)
    # A neighbour, whose keys are those that ann might be taken for.
    seller("bob")
    render()
    return found


def test_update_marks_the_heir_as_each_that_it_is(ann):
    type(ann).marked.filter(pk=ann.pk).update(limit=5)
    assert {("shop.person", str(ann.id)), ("shop.account", str(ann.number))} <= {
        (model, source) for model, source, _ in marks()
    }
    render()
    assert said()["limit"] == 5


def test_bulk_update_marks_the_heir_as_each_that_it_is(ann):
    # Of what a second parent has, Django's own fails.
    ann.email = "anna@x.example"
    type(ann).marked.bulk_update([ann], ["email"])
    assert ("shop.account", str(ann.number), "C") in marks()
    render()
    assert {*contacts()} == {"anna@x.example", "bob@x.example"}


@pytest.mark.parametrize("model", [Account, Seller, Agent, KnownAgent])
def test_a_mirror_of_a_second_parent_hears_of_its_heirs(mirror, model):
    mirror("contact", Account, AccountMirror)
    ann, bob = seller(model=Agent), seller("bob", model=Agent)
    render()
    model.marked.filter(number=ann.number).update(limit=5)
    model.marked.filter(number=bob.number).update(limit=7)
    render()
    found = {key: row.custom_variables["limit"] for key, row in contacts().items()}
    assert found == {f"{ann.number}@accounts.example": 5, f"{bob.number}@accounts.example": 7}


def test_a_row_that_leads_to_the_second_parent(ann):
    visit = Visit.objects.create(account=ann.account_ptr, place="Oslo")
    render()
    assert said()["visits"] == ["Oslo"]
    Visit.marked.update(place="Bergen")
    render()
    assert said()["visits"] == ["Bergen"]
    visit.delete()
    render()
    assert said()["visits"] == []


@pytest.mark.parametrize("side", ["heir", "parent", "other", "set", "clear"])
def test_a_many_to_many_relation_of_the_second_parent(ann, side):
    tag = Tag.objects.create(name="vip")
    # Of a grandchild of a second parent, Django's own takes the wrong key.
    holder = Seller.objects.get(pk=ann.pk)
    if side == "heir":
        holder.tags.add(tag)
    elif side == "parent":
        Account.objects.get(pk=ann.number).tags.add(tag)
    elif side == "set":
        tag.accounts.set([ann.account_ptr])
    else:
        tag.accounts.add(Account.objects.get(pk=ann.number))
    render()
    assert said()["tags"] == ["vip"]
    if side == "clear":
        tag.accounts.clear()
    else:
        holder.tags.clear()
    render()
    assert said()["tags"] == []


def test_a_symmetrical_relation_concerns_both(ann):
    bob = Seller.objects.get(email="bob@x.example")
    Seller.objects.get(pk=ann.pk).friends.add(bob.account_ptr)
    render()
    assert (said()["friends"], said("bob")["friends"]) == (1, 1)
    bob.friends.clear()
    render()
    assert (said()["friends"], said("bob")["friends"]) == (0, 0)


@pytest.mark.parametrize("how", ["instance", "queryset", "parent"])
def test_an_heir_that_is_deleted(mirror, how):
    class Leaves(AccountMirror):
        on_exit = mirrors.DELETE

    mirror("contact", Account, Leaves)
    ann = seller(model=Agent)
    seller("bob")
    render()
    if how == "instance":
        ann.delete()
    elif how == "queryset":
        Agent.marked.filter(pk=ann.pk).delete()
    else:
        Account.objects.get(pk=ann.number).delete()
    render()
    assert [*contacts()] == [f"{Seller.objects.get().number}@accounts.example"]


def test_an_heir_with_a_key_of_its_own(mirror):
    class PersonMirror(mirrors.Mirror[Person]):
        email = F("email")

    mirror("contact", Person, PersonMirror)
    clerk = Clerk.objects.create(code="7", email="ann@x.example")
    render()
    Clerk.marked.update(email="anna@x.example")
    render()
    assert [*contacts()] == ["anna@x.example"]
    assert [each.source for each in MirrorLink.objects.all()] == [str(clerk.id)]
    clerk.refresh_from_db()
    [found] = explain(clerk)
    assert (found.state, found.row) == ("mirrored", contacts()["anna@x.example"])


def test_it_is_known_by_the_key_of_the_mirrors_model(mirror):
    mirror("contact", Account, AccountMirror)
    ann = seller(model=Agent)
    track(ann, "Called", "She called.")
    row = contacts()[f"{ann.number}@accounts.example"]
    assert Engagement.objects.get().contact == row
    assert row_of(ann, MirrorLink.Kind.CONTACT) == row
    [standing] = standings(Agent, [ann.pk])[str(ann.pk)]
    assert standing.row == row
    [found] = explain(ann)
    assert (found.row, found.key) == (row, row.key)


class DealMirror(mirrors.Mirror[Deal]):
    contact = F("account")
    name = "Deal"
    description = "A deal."


def test_what_refers_to_the_parent_finds_the_row_of_the_heir(mirror):
    mirror("contact", Seller, SellerMirror)
    mirror("engagement", Deal, DealMirror)
    ann = seller("")
    Seller.objects.filter(pk=ann.pk).update(email="")
    ann.refresh_from_db()
    deal = Deal.objects.create(account=ann.account_ptr)
    render()
    assert MirrorLink.objects.get(source=str(deal.pk), kind="engagement").state == "waiting"
    ann.email = "ann@x.example"
    ann.save()
    render()
    assert Engagement.objects.get().contact == contacts()["ann@x.example"]


class CompanyMirror(mirrors.Mirror[Seller]):
    variables = {"limit": F("limit")}  # noqa: RUF012
    on_exit = mirrors.DELETE


class VisitorMirror(mirrors.Mirror[Visit]):
    email = F("place")
    company = F("account")


def test_what_refers_to_the_parent_of_an_heir_that_is_gone_is_looked_at(mirror):
    mirror("company", Seller, CompanyMirror)
    mirror("contact", Visit, VisitorMirror)
    ann = seller()
    Visit.objects.create(account=ann.account_ptr, place="v@x.example")
    render()
    assert contacts()["v@x.example"].company.key == str(ann.pk)
    ann.delete(keep_parents=True)
    render()
    assert contacts()["v@x.example"].company is None


def test_a_fixture_of_an_heir_marks_nothing_that_there_is_not(mirror):
    mirror("contact", Account, AccountMirror)
    ann = seller(model=Agent)
    rows = [Person.objects.get(), Account.objects.get(), Seller.objects.get(), ann]
    text = serializers.serialize("json", rows)
    ann.delete()
    MirrorMark.objects.all().delete()
    for each in serializers.deserialize("json", text):
        each.save()
    render()
    assert [each.source for each in MirrorLink.objects.all()] == [str(ann.number)]
    assert [*contacts()] == [f"{ann.number}@accounts.example"]


class TeamMirror(mirrors.Mirror[Tag]):
    email = F("name")
    variables = {"people": F("apprentices__email")}  # noqa: RUF012


def test_what_the_end_of_a_reverse_path_inherits_is_followed(mirror):
    mirror("contact", Tag, TeamMirror)
    tag = Tag.objects.create(name="t@x.example")
    apprentice = Apprentice.objects.create(email="a@x.example", tag=tag)
    render()
    assert contacts()["t@x.example"].custom_variables["people"] == ["a@x.example"]
    parent = Person.objects.get(pk=apprentice.pk)
    parent.email = "b@x.example"
    parent.save()
    render()
    assert contacts()["t@x.example"].custom_variables["people"] == ["b@x.example"]
