"""A typo is said when the site starts, with its file and line, and never at a save."""

from __future__ import annotations

import inspect

import pytest
from django.db.models import F, Q

from conversion_sync import mirrors
from conversion_sync.mirrors.checks import check_mirrors
from tests.mirrors.kit import link, render
from tests.mirrors.shop.models import Customer, Employer, Order, Print, Seat


def found(mirror, kind, model, cls):
    mirror(kind, model, cls)
    return {str(each.id).removeprefix("conversion_sync."): each.msg for each in check_mirrors()}


def line_of(cls, text):
    lines, first = inspect.getsourcelines(cls)
    return first + next(number for number, line in enumerate(lines) if text in line)


def test_what_is_right_is_not_said(mirror):
    class Right(mirrors.Mirror[Customer]):
        email = F("user__email")
        include = Q(plan__name="pro")
        variables = {"a": F("tags__name"), "b": len}  # noqa: RUF012
        depends_on = ("orders__lines",)

    assert found(mirror, "contact", Customer, Right) == {}


@pytest.mark.parametrize("where", ["email", "include", "variables", "depends_on"])
def test_a_typo_in_a_path_is_said_with_its_place(mirror, where):
    class Typo(mirrors.Mirror[Customer]):
        email = F("user__emial") if where == "email" else F("email")
        include = Q(is_actve=True) if where == "include" else Q()
        variables = {  # noqa: RUF012
            "fine": F("name"),
            "plan": F("plan__nme") if where == "variables" else 1,
        }
        depends_on = ("order",) if where == "depends_on" else ()

    said = found(mirror, "contact", Customer, Typo)
    assert [*said] == ["E036"]
    text = '"plan"' if where == "variables" else f"{where} ="
    assert said["E036"].endswith(f"test_mirror_checks.py:{line_of(Typo, text)})")
    assert "Choices are" in said["E036"] or "Unsupported lookup" in said["E036"]


def test_a_typo_is_no_crash_at_a_save(mirror):
    class Typo(mirrors.Mirror[Customer]):
        email = F("user__emial")
        include = Q(is_actve=True)

    mirror("contact", Customer, Typo)
    customer = Customer.objects.create(email="a@x.example")
    render()
    assert "emial" in link(customer).fault


def test_what_is_missing_is_said(mirror):
    class Missing(mirrors.Mirror[Order]):
        contact = F("customer")
        name = "Order"

    said = found(mirror, "engagement", Order, Missing)
    assert "description" in said["E031"]


def test_what_belongs_to_another_kind_is_said(mirror):
    class Mixed(mirrors.Mirror[Customer]):
        email = F("email")
        base_domain = "x.example"

    assert "base_domain" in found(mirror, "contact", Customer, Mixed)["E032"]


@pytest.mark.parametrize("on_exit", ["delete it", mirrors.UNSUBSCRIBE])
def test_what_a_company_can_not_do_when_it_leaves_is_said(mirror, on_exit):
    body = {"on_exit": on_exit}
    said = found(mirror, "company", Employer, type("Leaves", (mirrors.Mirror,), body))
    assert "E033" in said


@pytest.mark.parametrize(
    "source", [lambda: Order.objects.all(), lambda: Customer.objects.all()[:5], lambda: [1]]
)
def test_a_source_that_is_none_is_said(mirror, source):
    body = {"email": F("email"), "source": source()}
    said = found(mirror, "contact", Customer, type("Odd", (mirrors.Mirror,), body))
    assert {*said} & {"E030", "E034"}


def test_a_source_that_filters_by_a_relation_is_said(mirror):
    class Joins(mirrors.Mirror[Customer]):
        source = Customer.objects.filter(plan__name="pro")
        email = F("email")

    assert [*found(mirror, "contact", Customer, Joins)] == ["W035"]


def test_a_reference_to_what_is_not_mirrored_is_said(mirror):
    class Refers(mirrors.Mirror[Customer]):
        email = F("email")
        company = F("employer")

    assert [*found(mirror, "contact", Customer, Refers)] == ["W038"]


def test_a_reference_to_no_model_is_said(mirror):
    class Refers(mirrors.Mirror[Customer]):
        email = F("email")
        company = F("name")

    assert [*found(mirror, "contact", Customer, Refers)] == ["E037"]


def test_the_name_of_a_company_is_not_a_variable(mirror):
    class Names(mirrors.Mirror[Customer]):
        email = F("email")
        variables = {"company_name": F("employer__name")}  # noqa: RUF012

    assert [*found(mirror, "contact", Customer, Names)] == ["E039"]


def test_what_is_no_model_is_said(mirror):
    class Of(mirrors.Mirror[Customer]):
        email = F("email")

    assert "E030" in found(mirror, "contact", "shop.Customer", Of)


def test_two_that_would_enter_one_order_are_said(mirror):
    class Placed(mirrors.Mirror[Order]):
        contact = F("customer")
        name = description = "Placed"

    class Paid(Placed):
        pass

    mirror("engagement", Order, Placed)
    assert "E041" in found(mirror, "engagement", Order, Paid)


@pytest.mark.parametrize(
    ("model", "path", "words"),
    [
        (Seat, "email", "shop.Seat has a primary key of several columns."),
        (Print, "email", "shop.Print has a binary primary key."),
        (Order, "seats__prints__email", "shop.Seat has a primary key of several columns."),
        (Order, "lines__order__seats__prints__email", "shop.Seat has a primary key of several"),
    ],
)
def test_what_no_text_tells_from_others_is_a_check_in_words(mirror, model, path, words):
    class Odd(mirrors.Mirror[Order]):
        email = F(path)

    said = found(mirror, "contact", model, Odd)
    assert [*said] == ["E030"]
    assert words in said["E030"]
    order = Order.objects.create(number="1")
    Seat.objects.create(order=order, number=1, email="a@x.example")
    render()
