"""What a mirror reads is what it follows: related rows of every kind, and bulk changes."""

from __future__ import annotations

import pytest
from django.db.models import Count, F, Q

from conversion_sync import mirrors
from conversion_sync.models import MirrorMark
from tests.mirrors.kit import contacts, marks, render
from tests.mirrors.shop.models import (
    Country,
    Customer,
    Employer,
    Line,
    Member,
    Order,
    Person,
    Plan,
    Profile,
    Reader,
    Tag,
)

pytestmark = pytest.mark.django_db

#: Of the one contact that there is.
ANN = "ann@x.example"


def declare(mirror, value, include=None, **more):
    body = {"email": F("email"), "variables": {"x": value}, **more}
    if include is not None:
        body["include"] = include
    return mirror("contact", Customer, type("Followed", (mirrors.Mirror,), body))


def x(key=ANN):
    return contacts()[key].custom_variables.get("x")


@pytest.fixture
def ann():
    return Customer.objects.create(email=ANN, name="Ann")


def test_a_renamed_plan_concerns_its_customers(mirror, ann, django_assert_num_queries):
    declare(mirror, F("plan__name"))
    plan = ann.plan = Plan.objects.create(name="pro")
    ann.save()
    Customer.objects.create(email="bob@x.example")
    render()
    plan.name = "premium"
    with django_assert_num_queries(2 + 2):  # a savepoint
        from django.db import transaction

        with transaction.atomic():
            plan.save()
    assert marks() == [("shop.plan", str(plan.pk), "C")]
    render()
    assert x() == "premium"


def test_so_many_customers_of_a_plan_are_looked_through_in_steps(mirror, monkeypatch):
    monkeypatch.setattr("conversion_sync.mirrors.concerned.SOURCES", 3)
    declare(mirror, F("plan__name"))
    plan = Plan.objects.create(name="pro")
    for number in range(10):
        Customer.objects.create(email=f"c{number}@x.example", plan=plan)
    render()
    plan.name = "premium"
    plan.save()
    render()
    assert {row.custom_variables["x"] for row in contacts().values()} == {"premium"}
    assert marks() == []


def test_a_deleted_plan_concerns_those_that_had_it(mirror, ann):
    declare(mirror, F("plan__name"))
    plan = ann.plan = Plan.objects.create(name="pro")
    ann.save()
    render()
    assert x() == "pro"
    plan.delete()
    render()
    assert x() is None


def test_a_path_over_two_relations(mirror, ann):
    declare(mirror, F("employer__country__name"))
    country = Country.objects.create(name="NL")
    ann.employer = Employer.objects.create(name="E", country=country)
    ann.save()
    render()
    country.name = "BE"
    country.save()
    render()
    assert x() == "BE"
    ann.employer.country = Country.objects.create(name="DE")
    ann.employer.save()
    render()
    assert x() == "DE"


def test_a_reverse_one_to_one(mirror, ann):
    declare(mirror, F("profile__phone"))
    profile = Profile.objects.create(customer=ann, phone="1")
    render()
    assert x() == "1"
    profile.phone = "2"
    profile.save()
    render()
    assert x() == "2"
    profile.delete()
    render()
    assert x() is None


def test_a_path_over_many_gives_a_list(mirror, ann):
    declare(mirror, F("orders__number"))
    ann.save()
    render()
    assert x() == []
    for number in "AB":
        Order.objects.create(number=number, customer=ann)
    render()
    assert x() == ["A", "B"]


def test_a_row_that_moves_concerns_both(mirror, ann):
    declare(mirror, Count("orders"))
    bob = Customer.objects.create(email="bob@x.example")
    order = Order.objects.create(number="A", customer=ann)
    render()
    assert (x(), x("bob@x.example")) == (1, 0)
    order.customer = bob
    order.save()
    render()
    assert (x(), x("bob@x.example")) == (0, 1)
    order.delete()
    render()
    assert x("bob@x.example") == 0


def test_a_path_of_two_reverse_relations(mirror, ann):
    declare(mirror, F("orders__lines__text"))
    order = Order.objects.create(number="A", customer=ann)
    line = Line.objects.create(order=order, text="one")
    render()
    assert x() == ["one"]
    line.text = "two"
    line.save()
    render()
    assert x() == ["two"]
    line.delete()
    render()
    assert x() == []


def test_a_many_to_many_relation_from_either_side(mirror, ann):
    declare(mirror, F("tags__name"))
    tags = [Tag.objects.create(name=name) for name in "ab"]
    render()
    ann.tags.add(*tags)
    render()
    assert x() == ["a", "b"]
    tags[0].customers.remove(ann)
    render()
    assert x() == ["b"]
    tags[1].name = "c"
    tags[1].save()
    render()
    assert x() == ["c"]
    tags[1].customers.clear()
    render()
    assert x() == []
    ann.tags.set(tags)
    render()
    assert x() == ["a", "c"]
    tags[0].delete()
    render()
    assert x() == ["c"]
    ann.tags.clear()
    render()
    assert x() == []


def test_a_condition_is_followed_too(mirror, ann):
    declare(mirror, "x", include=Q(plan__name="pro"))
    plan = ann.plan = Plan.objects.create(name="free")
    ann.save()
    render()
    assert contacts() == {}
    plan.name = "pro"
    plan.save()
    render()
    assert [*contacts()] == [ANN]


def test_a_function_says_what_it_depends_on(mirror, ann):
    @mirrors.depends_on("orders")
    def number_of_orders(customer):
        return customer.orders.count()

    declare(mirror, number_of_orders)
    render()
    Order.objects.create(number="A", customer=ann)
    render()
    assert x() == 1


def test_a_mirror_says_what_its_methods_depend_on(mirror, ann):
    declare(mirror, lambda customer: customer.plan and customer.plan.name, depends_on=("plan",))
    plan = ann.plan = Plan.objects.create(name="pro")
    ann.save()
    render()
    plan.name = "premium"
    plan.save()
    render()
    assert x() == "premium"


def test_a_cascade_is_seen(mirror, ann):
    declare(mirror, "x", on_exit=mirrors.DELETE)
    ann.employer = Employer.objects.create(name="E")
    ann.save()
    render()
    assert len(contacts()) == 1
    ann.employer.delete()
    render()
    assert contacts() == {}


def test_every_form_of_a_save_is_seen(mirror):
    declare(mirror, F("name"))
    Customer.objects.create(email="a@x.example")
    Customer.objects.get_or_create(email="b@x.example")
    Customer.objects.update_or_create(email="b@x.example", defaults={"name": "B"})
    Customer(email="c@x.example").save(force_insert=True)
    plan = Plan.objects.create(name="pro")
    plan.customers.create(email="d@x.example")
    assert len(marks()) == 5
    render()
    assert [*contacts()] == ["a@x.example", "b@x.example", "c@x.example", "d@x.example"]


def test_nobody_hears_of_models_that_no_mirror_reads(mirror, django_assert_num_queries):
    declare(mirror, F("name"))
    with django_assert_num_queries(1):
        Country.objects.create(name="NL")


def test_a_child_with_its_own_table_is_its_parent_too(mirror):
    class People(mirrors.Mirror[Person]):
        email = F("email")

    mirror("contact", Person, People)
    member = Member.objects.create(email="m@x.example", level=1)
    render()
    assert [*contacts()] == ["m@x.example"]
    member.email = "n@x.example"
    member.save()
    render()
    assert [*contacts()] == ["n@x.example"]


def test_a_child_follows_what_is_saved_of_its_parent(mirror):
    class Members(mirrors.Mirror[Member]):
        email = F("email")
        variables = {"level": F("level")}  # noqa: RUF012

    mirror("contact", Member, Members)
    Member.objects.create(email="m@x.example", level=1)
    Person.objects.create(email="p@x.example")
    render()
    assert [*contacts()] == ["m@x.example"]
    person = Person.objects.get(email="m@x.example")
    person.email = "n@x.example"
    person.save()
    render()
    assert [*contacts()] == ["n@x.example"]


def test_a_proxy_is_what_it_stands_for(mirror):
    class Readers(mirrors.Mirror[Reader]):
        email = F("email")

    mirror("contact", Reader, Readers)
    Person.objects.create(email="p@x.example")
    Reader.objects.create(email="r@x.example")
    render()
    assert [*contacts()] == ["p@x.example", "r@x.example"]


def test_several_mirrors_of_one_model(mirror):
    class First(mirrors.Mirror[Customer]):
        email = F("email")
        include = Q(is_active=True)

    class Second(mirrors.Mirror[Customer]):
        email = F("name")

    mirror("contact", Customer, First)
    mirror("contact", Customer, Second)
    Customer.objects.create(email="a@x.example", name="b@x.example")
    assert len(marks()) == 1
    render()
    assert [*contacts()] == ["a@x.example", "b@x.example"]


def test_a_mark_of_a_mirror_that_is_gone_is_dropped(mirror):
    declare(mirror, F("name"))
    MirrorMark.objects.create(model="shop.nothing", source="1")
    render()
    assert marks() == []
