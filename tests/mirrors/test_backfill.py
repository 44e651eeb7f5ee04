"""All sources looked at: ``conversion_mirror``."""

from __future__ import annotations

import datetime
import io

import pytest
from django.core.management import CommandError, call_command
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from conversion_sync import mirrors
from conversion_sync.mirrors.backfill import Backfill
from conversion_sync.models import Contact, Engagement, MirrorLink, MirrorMark, MirrorState
from tests.mirrors.kit import State, contacts, link, marks, render
from tests.mirrors.shop.models import Customer, Employer, Order

pytestmark = pytest.mark.django_db


class CustomerMirror(mirrors.Mirror[Customer]):
    email = F("email")
    include = Q(is_active=True)
    company = F("employer")
    variables = {"name": F("name")}  # noqa: RUF012
    on_exit = mirrors.DELETE


class EmployerMirror(mirrors.Mirror[Employer]):
    variables = {"company_name": F("name")}  # noqa: RUF012


class OrderMirror(mirrors.Mirror[Order]):
    contact = F("customer")
    include = Q(status="placed")
    name = "Placed"
    description = F("number")


class TimedMirror(OrderMirror):
    occurred_at = F("placed_at")


def run(*names, **options):
    out, err = io.StringIO(), io.StringIO()
    call_command("conversion_mirror", *names, stdout=out, stderr=err, **options)
    return out.getvalue() + err.getvalue()


def customers(count):
    """Customers of whom nobody was told."""
    rows = [Customer(email=f"c{number}@x.example", name="A") for number in range(count)]
    return Customer.objects.bulk_create(rows)


@pytest.fixture
def both(mirror):
    mirror("contact", Customer, CustomerMirror)
    mirror("company", Employer, EmployerMirror)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr("conversion_sync.mirrors.backfill.SOURCES", 2)


def test_what_nobody_was_told_of_is_found(both, small):
    employer = Employer.objects.bulk_create([Employer(name="Lumentum")])[0]
    customers(5)
    Customer.objects.update(employer=employer)
    said = run()
    assert "tests.CustomerMirror: 5 created." in said
    assert {row.company_id for row in contacts().values()} == {link(employer).row}
    Customer.objects.filter(email="c1@x.example").update(name="B")
    said = run("shop.Customer")
    assert said == "tests.CustomerMirror: 1 changed, 4 unchanged.\n"


def test_what_is_the_same_is_not_sent_again(both):
    customers(3)
    run()
    before = {row.pk: row.revision for row in Contact.unmarked.all()}
    run()
    assert {row.pk: row.revision for row in Contact.unmarked.all()} == before
    render()
    assert {row.pk: row.revision for row in Contact.unmarked.all()} == before


def test_after_another_mapping_only_what_differs_is_sent_again(both, mirror):
    some = customers(3)
    Customer.objects.filter(pk=some[0].pk).update(extra={"x": 1})
    run()

    class Other(CustomerMirror):
        label = "tests.CustomerMirror"
        variables = {"name": F("name"), "x": F("extra__x")}  # noqa: RUF012

    mirror("contact", Customer, Other)
    before = {row.key: row.revision for row in Contact.unmarked.all()}
    assert all(each.is_outdated for each in mirrors.explain(some[1]))
    assert "1 changed, 2 unchanged" in run()
    changed = [row.key for row in Contact.unmarked.all() if row.revision != before[row.key]]
    assert changed == ["c0@x.example"]
    assert not any(each.is_outdated for each in mirrors.explain(some[1]))


def test_what_has_no_source_any_more_leaves(both, small):
    some = customers(5)
    run()
    models.QuerySet(Customer).filter(pk__in=[some[0].pk, some[4].pk])._raw_delete("default")
    assert marks() == []
    assert "2 left" in run()
    assert [*contacts()] == [f"c{number}@x.example" for number in (1, 2, 3)]


def test_a_dry_run_prints_what_would_change_and_writes_nothing(both):
    some = customers(3)
    run()
    Customer.objects.filter(pk=some[0].pk).update(name="B")
    Customer.objects.filter(pk=some[1].pk).update(is_active=False)
    customers_before = {row.pk: row.revision for row in Contact.unmarked.all()}
    said = run(dry_run=True)
    assert f"changed: tests.CustomerMirror {some[0].pk} c0@x.example" in said
    assert f"left: tests.CustomerMirror {some[1].pk}" in said
    assert "would be: 1 changed, 1 left, 1 unchanged" in said
    assert {row.pk: row.revision for row in Contact.unmarked.all()} == customers_before
    assert link(some[1]).state == State.MIRRORED
    assert marks() == []


def test_one_that_was_stopped_goes_on_there(both, small):
    customers(5)
    declared = next(each for each in mirrors_of(Customer))
    backfill = Backfill("default", declared)
    for _ in backfill.run(lambda: backfill.report.counts["created"] >= 2):
        pass
    assert len(contacts()) == 2
    again = Backfill("default", declared)
    assert again.count() == 3 + 2
    for _ in again.run():
        pass
    assert again.report.counts["created"] == 3
    assert again.report.counts["unchanged"] == 0
    assert MirrorState.objects.get(mirror=declared.label).cursor is None


def mirrors_of(model):
    from conversion_sync.mirrors.registry import registry

    return registry.of(model)


def test_a_typo_in_the_condition_waits_for_a_person(both, small):
    customers(30)
    run()
    Customer.objects.update(is_active=False)
    said = run("tests.CustomerMirror")
    # What left before so many did, has left.
    assert "rows of tests.CustomerMirror would leave" in said
    held = MirrorLink.objects.filter(state=State.HELD).count()
    assert held == 30 - 18
    assert len(contacts()) == held
    Customer.objects.filter(email__in=[*contacts()][:5]).update(is_active=True)
    said = run(let_leave=True)
    assert "5 unchanged" in said
    assert len(contacts()) == 5
    # And so many may leave again.
    Customer.objects.filter(email__in=[*contacts()][:1]).update(is_active=False)
    run()
    assert len(contacts()) == 4


def test_a_first_backfill_starts_no_campaigns(mirror):
    ann = Customer.objects.create(email="ann@x.example")
    Order.objects.bulk_create([Order(number=n, customer=ann, status="placed") for n in "AB"])
    mirror("contact", Customer, CustomerMirror)
    mirror("engagement", Order, OrderMirror)
    run(dry_run=True)
    run()
    assert not Engagement.unmarked.exists()
    Order.objects.bulk_create([Order(number="C", customer=ann, status="placed")])
    run()
    assert [row.description for row in Engagement.unmarked.all()] == ["C"]
    with pytest.raises(CommandError, match="occurred_at"):
        run(since=timezone.now())


def test_since_a_time_what_happened_before_is_entered(mirror):
    ann = Customer.objects.create(email="ann@x.example")
    now = timezone.now()
    Order.objects.bulk_create(
        [
            Order(
                number=str(days),
                customer=ann,
                status="placed",
                placed_at=now - datetime.timedelta(days=days),
            )
            for days in (1, 5, 9)
        ]
    )
    mirror("contact", Customer, CustomerMirror)
    mirror("engagement", Order, TimedMirror)
    run()
    assert not Engagement.unmarked.exists()
    run("shop.Order", since=now - datetime.timedelta(days=6))
    assert {row.description for row in Engagement.unmarked.all()} == {"1", "5"}
    run()
    assert Engagement.unmarked.count() == 2


class ToldMirror(OrderMirror):
    label = "tests.TimedMirror"

    def occurred_at(self, order):
        return order.placed_at


@pytest.mark.parametrize("declared", [TimedMirror, ToldMirror])
def test_what_was_there_and_has_no_time_happened_before(mirror, declared):
    ann = Customer.objects.create(email="ann@x.example")
    old = Order.objects.create(number="old", customer=ann, status="placed")
    timed = timezone.now() - datetime.timedelta(days=5)
    Order.objects.create(number="timed", customer=ann, status="placed", placed_at=timed)
    Order.objects.create(number="draft", customer=ann)
    MirrorMark.objects.all().delete()
    mirror("contact", Customer, CustomerMirror)
    mirror("engagement", Order, declared)
    run()
    old.save()
    render()
    assert not Engagement.unmarked.exists()
    Order.objects.create(number="new", customer=ann, status="placed")
    Order.objects.filter(number="draft").update(status="placed")
    run()
    render()
    assert {row.description for row in Engagement.unmarked.all()} == {"new", "draft"}
    run("shop.Order", since=timezone.now() - datetime.timedelta(days=6))
    assert {row.description for row in Engagement.unmarked.all()} == {"new", "draft", "timed"}


def test_a_model_that_nobody_mirrors_is_said(both):
    with pytest.raises(CommandError, match=r"No mirror of 'shop.Plan'.*shop.Customer"):
        run("shop.Plan")


def test_what_is_marked_meanwhile_is_rendered_too(both):
    [one] = customers(1)
    one.name = "B"
    one.save()
    run()
    assert MirrorMark.objects.filter(model="shop.customer").count() == 1
    render()
    assert contacts()["c0@x.example"].custom_variables["name"] == "B"


def test_a_dry_run_says_why_somebody_has_no_row(both):
    for email, active in (("ann", True), ("bob@x.example", False), ("", True)):
        Customer.objects.create(email=email, name="A", is_active=active)
    said = run("shop.Customer", dry_run=True)
    assert "email can't be used: " in said
    assert "This does not hold of it: is_active=True." in said
    assert "It has no email." in said
    assert "would be: 2 excluded, 1 unusable" in said


def test_the_dry_run_of_a_mirror_that_has_just_begun_tells_the_past_from_what_is_new(mirror):
    """As it is between `migrate` and the first drain."""
    ann = Customer.objects.create(email="ann@x.example")
    Order.objects.create(customer=ann, number="old", status="placed")
    mirror("contact", Customer, CustomerMirror)
    mirror("engagement", Order, OrderMirror)
    Order.objects.create(customer=ann, number="new", status="placed")
    assert "tests.OrderMirror: would be: 1 past, 1 waiting." in run("shop.Order", dry_run=True)
    assert not MirrorLink.objects.exists()
