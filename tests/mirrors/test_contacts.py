"""A site's customers as contacts."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Upper

from conversion_sync import mirrors
from conversion_sync.models import Contact, MirrorLink, MirrorMark, Status, SubscriptionChange
from conversion_sync.status.messages import in_words
from tests.kit import push, roll_back, sent
from tests.mirrors.kit import State, contacts, link, marks, render
from tests.mirrors.shop.models import Customer, Order, Plan

pytestmark = pytest.mark.django_db


def score_of(customer):
    return len(customer.name)


class CustomerMirror(mirrors.Mirror[Customer]):
    source = Customer.objects.select_related("user", "plan")
    email = F("email")
    include = Q(is_active=True)
    variables = {  # noqa: RUF012
        "first_name": F("name"),
        "plan": F("plan__name"),
        "loud": Upper("name"),
        "score": score_of,
        "origin": "shop",
    }
    on_exit = mirrors.UNSUBSCRIBE


@pytest.fixture
def customers(mirror):
    return mirror("contact", Customer, CustomerMirror)


def ann(**more):
    given = {"email": "Ann@x.example", "name": "Ann", "plan": Plan.objects.create(name="pro")}
    return Customer.objects.create(**given | more)


def test_a_save_becomes_a_contact(customers):
    ann()
    assert contacts() == {}
    render()
    row = contacts()["ann@x.example"]
    assert (row.email, row.first_name) == ("Ann@x.example", "Ann")
    assert row.custom_variables == {"plan": "pro", "loud": "ANN", "score": 3, "origin": "shop"}
    assert row.sync_status == Status.PENDING
    assert marks() == []


def test_a_save_arrives_in_conversion(customers, conversion):
    ann()
    push()
    [body] = sent(conversion)
    assert body["contacts"][0]["email"] == "ann@x.example"
    assert body["contacts"][0]["variables"]["plan"] == "pro"


def test_a_drain_renders_though_it_may_not_send(customers, settings):
    settings.CONVERSION_SYNC = {"ENABLED": False}
    ann()
    push()
    assert contacts()["ann@x.example"].sync_status == Status.PENDING


def test_a_save_costs_one_insert(customers, django_assert_num_queries):
    customer = ann()
    customer.name = "Anna"
    with transaction.atomic(), django_assert_num_queries(2) as captured:
        customer.save()
    assert "conversion_sync_mirrormark" in captured[1]["sql"]


def test_a_rollback_takes_the_mark_along(customers):
    roll_back(ann)
    assert marks() == []


def test_what_is_not_read_is_no_change(customers, mirror):
    customer = ann()
    render()

    class Fewer(mirrors.Mirror[Customer]):
        email = F("email")

    mirror("contact", Customer, Fewer)
    MirrorMark.objects.all().delete()
    # A function of the other mirror may read whatever there is.
    customer.save(update_fields=["extra"])
    assert marks() == [("shop.customer", str(customer.pk), "C")]


def test_of_paths_alone_the_columns_are_known(mirror):
    class Plain(mirrors.Mirror[Customer]):
        email = F("email")

    mirror("contact", Customer, Plain)
    customer = Customer.objects.create(email="a@x.example")
    MirrorMark.objects.all().delete()
    customer.save(update_fields=["name"])
    assert marks() == []
    customer.save(update_fields=["email"])
    assert len(marks()) == 1


def test_a_row_follows_its_source(customers):
    customer = ann()
    render()
    before = contacts()["ann@x.example"]
    customer.email, customer.name = "anna@x.example", "Anna"
    customer.save()
    render()
    [row] = Contact.unmarked.all()
    assert (row.pk, row.key, row.first_name) == (before.pk, "anna@x.example", "Anna")


def test_what_stays_the_same_is_not_sent_again(customers):
    customer = ann()
    render()
    revision = contacts()["ann@x.example"].revision
    customer.save()
    render()
    assert contacts()["ann@x.example"].revision == revision


def test_staffs_own_fields_are_left_alone(customers):
    customer = ann()
    render()
    row = Contact.objects.get()
    row.title, row.custom_variables = "CEO", {**row.custom_variables, "note": "vip"}
    row.save()
    customer.name = "Anna"
    customer.save()
    render()
    row = Contact.objects.get()
    assert (row.title, row.custom_variables["note"], row.first_name) == ("CEO", "vip", "Anna")


def test_a_variable_that_is_mapped_no_more_is_cleared(mirror):
    class Before(mirrors.Mirror[Customer]):
        email = F("email")
        variables = {"plan": F("plan__name"), "name": F("name")}  # noqa: RUF012
        label = "shop.One"

    class After(mirrors.Mirror[Customer]):
        email = F("email")
        variables = {"plan": F("plan__name")}  # noqa: RUF012
        label = "shop.One"

    mirror("contact", Customer, Before)
    customer = ann()
    render()
    assert contacts()["ann@x.example"].custom_variables == {"plan": "pro", "name": "Ann"}
    mirror("contact", Customer, After)
    customer.save()
    render()
    assert contacts()["ann@x.example"].custom_variables == {"plan": "pro"}


def test_who_is_excluded_is_no_contact_and_the_condition_is_said(customers):
    customer = ann(is_active=False)
    render()
    assert contacts() == {}
    found = link(customer)
    assert found.state == State.EXCLUDED
    assert "is_active=True" in found.reason


def test_who_is_excluded_later_is_unsubscribed(customers):
    customer = ann()
    render()
    Customer.objects.filter(pk=customer.pk).delete()
    render()
    row = contacts()["ann@x.example"]
    assert row.subscription_status == "UNSUBSCRIBED"
    assert link_state("gone")
    [change] = SubscriptionChange.unmarked.all()
    assert change.status == "UNSUBSCRIBED"


def link_state(state):
    return MirrorLink.objects.filter(state=state).count() == 1


@pytest.mark.parametrize("on_exit", [mirrors.DELETE, mirrors.KEEP])
def test_what_becomes_of_who_leaves_is_declared(mirror, on_exit):
    class Leaves(CustomerMirror):
        pass

    Leaves.on_exit = on_exit
    mirror("contact", Customer, Leaves)
    customer = ann()
    render()
    customer.is_active = False
    customer.save()
    render()
    assert len(contacts()) == (0 if on_exit is mirrors.DELETE else 1)


def test_who_comes_back_has_the_same_row_and_stays_unsubscribed(customers):
    customer = ann()
    render()
    for active in (False, True):
        customer.is_active = active
        customer.save()
        render()
    [row] = Contact.unmarked.all()
    assert link(customer).row == row.pk
    assert row.subscription_status == "UNSUBSCRIBED"


def test_a_row_that_nobody_owns_is_adopted_and_its_consent_kept(mirror):
    class Says(CustomerMirror):
        subscription_status = "SUBSCRIBED"

    there = Contact.objects.create(email="ann@x.example", subscription_status="UNSUBSCRIBED")
    mirror("contact", Customer, Says)
    customer = ann()
    render()
    [row] = Contact.unmarked.all()
    assert row.pk == there.pk == link(customer).row
    assert (row.first_name, row.subscription_status) == ("Ann", "UNSUBSCRIBED")


def test_consent_is_written_where_it_is_mapped_alone(mirror):
    class Says(mirrors.Mirror[Customer]):
        email = F("email")

        def subscription_status(self, customer):
            return "SUBSCRIBED" if customer.is_active else "PENDING"

    mirror("contact", Customer, Says)
    ann()
    render()
    assert contacts()["ann@x.example"].subscription_status == "SUBSCRIBED"


@pytest.mark.parametrize(
    ("email", "said"), [("", "no email"), ("nobody", "email can't be used"), (" ", "no email")]
)
def test_a_source_without_a_usable_email_is_listed_as_excluded(customers, email, said):
    customer = ann(email=email)
    render()
    assert contacts() == {}
    assert link(customer).state == State.EXCLUDED
    assert said in in_words(link(customer).reason)


@pytest.mark.parametrize("value", [float("nan"), {1, object()}, object(), "a\0b", "\ud800"])
def test_a_value_that_json_cant_hold_leaves_the_row_as_it_is(mirror, value):
    given = {"value": "fine"}

    class Odd(mirrors.Mirror[Customer]):
        email = F("email")
        variables = {"odd": lambda customer: given["value"]}  # noqa: RUF012

    mirror("contact", Customer, Odd)
    customer = ann()
    render()
    given["value"] = value
    customer.save()
    render()
    assert contacts()["ann@x.example"].custom_variables == {"odd": "fine"}
    assert "odd" in link(customer).reason
    given["value"] = "fine again"
    customer.save()
    render()
    assert contacts()["ann@x.example"].custom_variables == {"odd": "fine again"}
    assert link(customer).reason == ""


def test_a_mirror_that_raises_is_recorded_with_its_place(mirror):
    class Raises(mirrors.Mirror[Customer]):
        email = F("email")

        def subscription_status(self, customer):
            if customer.name == "Ann":
                raise ValueError("no such thing")
            return None

    mirror("contact", Customer, Raises)
    customer, other = ann(), Customer.objects.create(email="bob@x.example")
    render()
    assert [*contacts()] == ["bob@x.example"]
    assert link(customer).fault.startswith("ValueError: no such thing (test_contacts.py:")
    assert link(other).fault == ""
    customer.name = "Anna"
    customer.save()
    render()
    assert link(customer).fault == ""
    assert len(contacts()) == 2


def test_a_function_that_breaks_the_transaction_harms_nobody_else(mirror):
    class Breaks(mirrors.Mirror[Customer]):
        email = F("email")
        variables = {"x": lambda customer: breaks(customer)}  # noqa: RUF012

    def breaks(customer):
        if customer.name == "Ann":
            Customer.objects.create(pk=customer.pk)
        return 1

    mirror("contact", Customer, Breaks)
    customer = ann()
    Customer.objects.create(email="bob@x.example")
    render()
    assert [*contacts()] == ["bob@x.example"]
    assert link(customer).fault.startswith("IntegrityError")


def test_who_leaves_before_it_was_ever_rendered_leaves_nothing(customers):
    customer = ann()
    customer.delete()
    render()
    assert contacts() == {}
    assert not link_state("gone")


def test_a_row_that_staff_deleted_comes_back_with_the_next_save(customers):
    customer = ann()
    render()
    Contact.objects.all().delete()
    customer.save()
    render()
    assert [*contacts()] == ["ann@x.example"]


def test_the_users_of_a_site_follow_their_own_model(mirror):
    class Users(mirrors.Mirror[Customer]):
        email = F("user__email")
        variables = {"first_name": F("user__first_name")}  # noqa: RUF012

    mirror("contact", Customer, Users)
    user = get_user_model().objects.create(username="ann", email="ann@x.example", first_name="Ann")
    Customer.objects.create(user=user)
    render()
    user.first_name = "Anna"
    user.save()
    render()
    assert contacts()["ann@x.example"].first_name == "Anna"
    MirrorMark.objects.all().delete()
    user.save(update_fields=["last_login"])
    assert marks() == []


def test_a_person_waits_for_what_a_save_brought(customers):
    ann()
    render()
    assert contacts()["ann@x.example"].priority == 0


class MethodsMirror(mirrors.Mirror[Customer]):
    email = F("email")

    @mirrors.depends_on("orders")
    def orders(self, customer):
        return customer.orders.count() if isinstance(self, MethodsMirror) else "no method"

    def reference(self, customer):
        return f"C{customer.pk}"

    variables = {"orders": orders, "phone": reference}  # noqa: RUF012
    external_contact = {"shop": reference}  # noqa: RUF012


def test_a_method_of_the_mirror_may_stand_among_variables_and_is_followed(mirror):
    mirror("contact", Customer, MethodsMirror)
    ann = Customer.objects.create(email="ann@x.example")
    render()
    contact = contacts()["ann@x.example"]
    assert contact.custom_variables == {"orders": 0}
    assert contact.phone == f"C{ann.pk}"
    assert contact.external_contact == {"shop": f"C{ann.pk}"}
    Order.objects.create(customer=ann, number="A-1")
    render()
    assert contacts()["ann@x.example"].custom_variables == {"orders": 1}
