"""Random changes of a site against a small reference: what the mirrors say is what there is."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from django.db import models, transaction
from django.db.models import F, Q
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conversion_sync import mirrors
from conversion_sync.mirrors.backfill import Backfill
from conversion_sync.mirrors.registry import registry
from conversion_sync.mirrors.step import step
from conversion_sync.models import Contact, Deletion, MirrorLink, MirrorMark, MirrorState
from conversion_sync.testing import end_waits, push, sandboxed
from tests.kit import roll_back
from tests.mirrors.kit import State, contacts, declared, render
from tests.mirrors.shop.models import Customer, Employer, Plan, Tag

pytestmark = pytest.mark.django_db

EMAILS = ["a@x.example", "B@x.example", "b@x.example", "c@x.example", ""]


class CustomerMirror(mirrors.Mirror[Customer]):
    email = F("email")
    include = Q(is_active=True) & ~Q(plan__name="free")
    variables = {  # noqa: RUF012
        "name": F("name"),
        "plan": F("plan__name"),
        "tags": F("tags__name"),
    }
    on_exit = mirrors.DELETE


def wants(customer: Customer) -> str:
    """The reference: the key of the contact that there is to be for a customer; "": none."""
    is_free = customer.plan is not None and customer.plan.name == "free"
    return customer.email.lower() if customer.is_active and not is_free else ""


def says(customer: Customer) -> dict[str, Any]:
    """The reference: what that contact is to say."""
    tags = sorted(customer.tags.values_list("name", flat=True))
    plan = None if customer.plan is None else customer.plan.name
    return {"name": customer.name, "plan": plan, "tags": tags}


class Site:
    """A site, and what happens in it; whose numbers are of what there is at that time."""

    def __init__(self) -> None:
        self.plans = [Plan.objects.create(name=name) for name in ("pro", "free")]
        self.tag = Tag.objects.create(name="vip")
        self.is_marked = True
        #: The keys that each customer has wanted so far.
        self.ever = defaultdict[int, set[str]](set)

    def note(self) -> None:
        """Remember who wants what."""
        for customer in Customer.objects.select_related("plan"):
            self.ever[customer.pk].add(wants(customer))

    def pick(self, number: int) -> Customer | None:
        found = list(Customer.objects.order_by("pk"))
        return found[number % len(found)] if found else None

    def create(self, number: int, text: str) -> None:
        plan = [*self.plans, None][number % 3]
        Customer.objects.create(email=text, name=str(number), plan=plan)

    def save(self, number: int, text: str) -> None:
        if customer := self.pick(number):
            customer.email, customer.name = text, f"{customer.name}x"[-3:]
            customer.save()

    def toggle(self, number: int, text: str) -> None:
        if customer := self.pick(number):
            customer.is_active = not customer.is_active
            customer.save(update_fields=["is_active"])

    def move(self, number: int, text: str) -> None:
        if customer := self.pick(number):
            customer.plan = [*self.plans, None][len(text) % 3]
            customer.save()

    def rename(self, number: int, text: str) -> None:
        plan = self.plans[number % 2]
        plan.name = ["pro", "free", "max"][(number + len(text)) % 3]
        plan.save()

    def swap(self, number: int, text: str) -> None:
        one, other = self.pick(number), self.pick(number + 1)
        if one is not None and other is not None and one != other:
            with transaction.atomic():
                one.email, other.email = other.email, one.email
                one.save()
                other.save()

    def delete(self, number: int, text: str) -> None:
        if customer := self.pick(number):
            customer.delete()

    def tag_one(self, number: int, text: str) -> None:
        if customer := self.pick(number):
            if number % 2:
                self.tag.customers.add(customer)
            else:
                customer.tags.remove(self.tag)

    def update_all(self, number: int, text: str) -> None:
        Customer.marked.filter(email=text).update(name=str(number))

    def bulk_create(self, number: int, text: str) -> None:
        Customer.marked.bulk_create([Customer(email=text, name="n"), Customer(email="d@x.example")])

    def roll_back(self, number: int, text: str) -> None:
        roll_back(lambda: self.save(number, text))

    def unseen(self, number: int, text: str) -> None:
        """What nobody is told of; a backfill finds it."""
        if number % 3:
            Customer.objects.filter(email=text).update(is_active=bool(number % 2))
        elif customer := self.pick(number):
            customer.tags.through.objects.filter(customer=customer).delete()
            models.QuerySet(Customer).filter(pk=customer.pk)._raw_delete("default")
        self.is_marked = False

    def drain(self, number: int, text: str) -> None:
        step("default")
        if self.is_marked and not MirrorMark.objects.exists():
            self.see()

    def backfill(self, number: int, text: str) -> None:
        [mirror] = registry
        for _ in Backfill("default", mirror, restart=bool(number % 2)).run(lambda: False):
            pass
        render()
        self.is_marked = True
        self.see()

    def staff_delete(self, number: int, text: str) -> None:
        Contact.objects.filter(key=text.lower()).delete()
        self.is_marked = False

    def see(self) -> None:
        """Compare what there is with the reference.

        Who wants a key that another one has keeps the contact of a key that it wanted before, as
        long as nobody else wants that.
        """
        self.note()
        customers = {each.pk: each for each in Customer.objects.select_related("plan")}
        wanted = {pk: wants(each) for pk, each in customers.items()}
        rows = contacts()
        by_pk = {row.pk: key for key, row in rows.items()}
        links = {int(link.source): link for link in MirrorLink.objects.exclude(state=State.GONE)}
        owners, kept = dict[str, int](), set[str]()
        for pk, key in wanted.items():
            link = links[pk]
            if not key:
                assert (link.state, link.row) == (State.EXCLUDED, None)
            elif link.state == State.CONFLICT:
                assert link.key == key
                if link.row is not None:
                    assert by_pk[link.row] in self.ever[pk] - {key}
                    kept.add(by_pk[link.row])
            else:
                assert (link.state, link.row) == (State.MIRRORED, rows[key].pk)
                owners[key] = pk
        assert {*owners} == {*wanted.values()} - {""}
        assert {*rows} == {*owners} | kept
        assert {*owners}.isdisjoint(kept)
        for key in owners:
            said = rows[key].custom_variables
            expected = says(customers[owners[key]])
            assert {name: said.get(name) for name in expected} == expected


OPERATIONS: list[Callable[[Site, int, str], None]] = [
    Site.create,
    Site.create,
    Site.save,
    Site.save,
    Site.toggle,
    Site.move,
    Site.rename,
    Site.swap,
    Site.delete,
    Site.tag_one,
    Site.update_all,
    Site.bulk_create,
    Site.roll_back,
    Site.unseen,
    Site.staff_delete,
    Site.drain,
    Site.drain,
    Site.backfill,
]

steps = st.lists(
    st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 9), st.sampled_from(EMAILS)),
    min_size=3,
    max_size=25,
)


@pytest.fixture
def few(monkeypatch):
    """Everything in small portions."""
    monkeypatch.setattr("conversion_sync.mirrors.step.MARKS", 2)
    monkeypatch.setattr("conversion_sync.mirrors.concerned.SOURCES", 2)
    monkeypatch.setattr("conversion_sync.mirrors.backfill.SOURCES", 2)
    monkeypatch.setattr("conversion_sync.mirrors.brakes.AT_LEAST", 10**9)


@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(steps)
def test_what_the_mirrors_say_is_what_there_is(few, happening):
    mirror = declared("contact", Customer, CustomerMirror)
    with contextlib.ExitStack() as stack:
        stack.enter_context(registry.only(mirror))
        conversion = stack.enter_context(sandboxed())
        for model in (Customer, Plan, Tag, Employer, MirrorMark, MirrorLink, MirrorState):
            model.objects.all().delete()
        Contact.unmarked.all().delete()
        Deletion.unmarked.all().delete()
        MirrorMark.objects.all().delete()
        site = Site()
        for operation, number, text in happening:
            operation(site, number, text)
            site.note()
        site.backfill(0, "")
        push()
        end_waits()
        push()
        assert {*conversion.contacts} == {*contacts()}
        for key, row in contacts().items():
            variables = conversion.contacts[key].get("variables", {})
            # A blank is not sent.
            assert variables.get("name", "") == row.custom_variables["name"]
