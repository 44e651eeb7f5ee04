"""What is wrong with sources: kept where an index finds it, counted, and said by the verdict."""

from __future__ import annotations

import io
import json
from importlib import import_module

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.models import F, Q

from conversion_sync import mirrors
from conversion_sync.mirrors.beginnings import after_migrate
from conversion_sync.mirrors.figures import figures
from conversion_sync.models import Contact, MirrorLink
from conversion_sync.status.facts import facts
from conversion_sync.status.glance import glance
from conversion_sync.status.overview import overview
from conversion_sync.status.verdict import verdict
from tests.kit import push
from tests.mirrors.kit import link, render
from tests.mirrors.shop.models import Customer, Order, Plan

pytestmark = pytest.mark.django_db

Trouble = MirrorLink.Trouble


def score(customer):
    return {"raises": 1 / (customer.name != "raises"), "odd": 1}.get(customer.name, 0)


class CustomerMirror(mirrors.Mirror[Customer]):
    email = F("email")
    include = Q(is_active=True)
    variables = {  # noqa: RUF012
        "first_name": F("name"),
        "plan": F("plan__name"),
        "score": score,
        "odd": lambda customer: float("nan") if customer.name == "nan" else 0,
    }
    on_exit = mirrors.DELETE


class OrderMirror(mirrors.Mirror[Order]):
    contact = F("customer")
    name = "Order"
    description = F("number")
    data = {"total": lambda order: 1 / order.total}  # noqa: RUF012


@pytest.fixture
def customers(mirror, conversion):
    mirror("contact", Customer, CustomerMirror)


def customer(name, email=None, **fields):
    found: Customer = Customer.objects.create(
        name=name, email=f"{name}@x.example" if email is None else email, **fields
    )
    return found


#: The name and the email of a customer, and what is wrong.
SOURCES = [
    ("ann", None, None),
    ("raises", None, Trouble.FAULT),
    ("nan", None, Trouble.UNUSABLE),
    ("bad", "nobody", Trouble.UNUSABLE),
    ("blank", "", Trouble.NO_KEY),
    ("second", "ann@x.example", Trouble.CONFLICT),
]


@pytest.fixture
def troubled(customers):
    found = {name: customer(name, email) for name, email, _trouble in SOURCES}
    customer("out", is_active=False)
    render()
    return found


def held(customers, count=20):
    found = [customer(f"c{number}") for number in range(count)]
    render()
    for each in found:
        each.is_active = False
        each.save()
    render()
    return found


def test_each_trouble_is_kept_with_the_source(troubled):
    found = {name: link(source).trouble for name, source in troubled.items()}
    assert found == {name: trouble for name, _email, trouble in SOURCES}


def test_what_is_corrected_is_no_trouble_any_more(troubled):
    for name, source in troubled.items():
        source.name, source.email = name.upper(), f"{name}@y.example"
        source.save()
    render()
    assert not MirrorLink.objects.filter(trouble__isnull=False).exists()


def test_an_engagement_that_was_entered_is_no_trouble_whatever_its_mirror_raises(troubled, mirror):
    mirror("engagement", Order, OrderMirror)
    render()
    order = Order.objects.create(number="1", customer=troubled["ann"], total=2)
    waits = Order.objects.create(number="2", customer=troubled["blank"], total=2)
    faulty = Order.objects.create(number="3", customer=troubled["ann"], total=0)
    render()
    order.total = 0
    order.save()
    render()
    assert link(order).fault
    found = [link(each).trouble for each in (order, waits, faulty)]
    assert found == [None, Trouble.WAITING, Trouble.FAULT]


def said():
    return verdict(facts(overview(), "default")).words


def test_the_verdict_names_what_needs_a_person(troubled):
    push()
    words = "3 records of your own models can't be used as they are"
    assert said() == f"{words}; all else is in Conversion."
    assert glance("default").words == f"{words}."
    assert not glance("default").is_good


def test_the_verdict_names_rows_that_would_leave(customers):
    held(customers)
    push()
    words = "20 rows would leave and wait for a decision"
    assert said() == f"{words}; all else is in Conversion."
    assert glance("default").words == f"{words}."


def test_conflicts_and_sources_without_a_key_need_nobody(customers):
    customer("blank", "")
    customer("ann")
    customer("second", "ann@x.example")
    render()
    push()
    assert said() == "All is in Conversion."


def test_the_figures_of_a_mirror(troubled, mirror):
    mirror("engagement", Order, OrderMirror)
    troubled["ann"].save()
    Plan.objects.create(name="gold").save()
    customers, orders = figures("default")
    assert (customers.model, customers.kind) == ("shop.customer", "contact")
    assert (customers.followed, customers.mirrored) == (len(SOURCES) + 1, 1)
    assert (customers.marks, orders.marks) == (3, 1)
    assert customers.troubles == {
        Trouble.FAULT: 1,
        Trouble.UNUSABLE: 2,
        Trouble.NO_KEY: 1,
        Trouble.CONFLICT: 1,
    }


def test_who_is_gone_is_followed_no_more(customers):
    ann = customer("ann")
    render()
    ann.delete()
    render()
    assert figures("default")[0].followed == 0


def test_the_figures_take_few_queries(troubled, django_assert_num_queries):
    with django_assert_num_queries(4):
        figures("default")


def test_without_mirrors_nothing_is_asked(mirror, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert figures("default") == []


def test_troubles_are_found_by_an_index(troubled):
    if connection.vendor != "sqlite":
        pytest.skip("other planners go by how many rows there are")
    for links in (
        MirrorLink.objects.filter(trouble="held"),
        MirrorLink.objects.filter(trouble="held", mirror="shop.CustomerMirror").order_by("pk"),
    ):
        assert "conversion_link_trouble" in links.explain()


def test_no_more_are_counted_for_everybody_than_matter(troubled, monkeypatch):
    monkeypatch.setattr("conversion_sync.status.overview.EXACT", 1)
    assert overview().faulty == 2


def run(**options):
    out = io.StringIO()
    call_command("conversion_status", stdout=out, **options)
    return out.getvalue()


def test_conversion_status_says_it(customers):
    held(customers)
    customer("blank", "")
    render()
    out = run()
    [head] = [line for line in out.splitlines() if line.startswith("mirror ")]
    assert head.split("  ")[-1] == "held"
    assert head.split()[1:] == [
        *("followed", "mirrored", "to", "look", "at", "without", "key", "held")
    ]
    [line] = [each for each in out.splitlines() if each.startswith("tests.CustomerMirror ")]
    assert line.split() == ["tests.CustomerMirror", "21", "0", "0", "1", "20"]
    assert "20 rows would leave and wait for a decision" in out
    assert "conversion_mirror tests.CustomerMirror --let-leave" in out
    found = json.loads(run(json=True))
    assert (found["faulty"], found["leaving"]) == (0, 20)
    [mirrored] = found["mirrors"]
    assert mirrored["troubles"] == {"no-key": 1, "held": 20}
    assert (mirrored["followed"], mirrored["marks"]) == (21, 0)


def test_without_mirrors_conversion_status_is_as_before(mirror):
    assert "mirror" not in run()
    assert json.loads(run(json=True))["mirrors"] == []


def test_the_upgrade_notes_the_troubles_that_there_are(troubled, mirror):
    mirror("engagement", Order, OrderMirror)
    Order.objects.create(number="2", customer=troubled["blank"], total=2)
    render()
    held("", 20)
    before = dict(MirrorLink.objects.values_list("pk", "trouble"))
    assert {*before.values()} == {None, *Trouble.values}
    MirrorLink.objects.update(trouble=None)
    migration = import_module("conversion_sync.migrations.0021_note_troubles")
    migration.note_troubles(apps, type("Editor", (), {"connection": connection}))
    assert dict(MirrorLink.objects.values_list("pk", "trouble")) == before


def test_of_a_mirror_that_is_declared_no_more_nothing_is_said(troubled):
    MirrorLink.objects.filter(trouble=Trouble.FAULT).update(mirror="shop.Forgotten")
    after_migrate("default")
    assert overview().faulty == 2
    assert Contact.unmarked.count() == 1
