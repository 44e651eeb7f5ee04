"""Mirrors in the admin: of the rows, and of the site's own models."""

from __future__ import annotations

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db.models import F, Q
from django.urls import reverse

from conversion_sync import mirrors
from conversion_sync.models import Contact, Engagement
from tests.kit import push
from tests.mirrors.kit import contacts, link, render
from tests.mirrors.shop.models import Customer, Employer, Order

pytestmark = pytest.mark.django_db


class CustomerMirror(mirrors.Mirror[Customer]):
    email = F("email")
    include = Q(is_active=True)
    variables = {"first_name": F("name"), "plan": F("plan__name"), "score": 7}  # noqa: RUF012


@pytest.fixture
def customers(mirror):
    mirror("contact", Customer, CustomerMirror)


@pytest.fixture
def ann(customers):
    customer = Customer.objects.create(email="ann@x.example", name="Ann")
    render()
    return customer


def why(customer):
    return reverse("admin:shop_customer_conversion", args=(customer.pk,))


def of_row():
    return reverse("admin:conversion_sync_contact_change", args=(contacts()["ann@x.example"].pk,))


def text(answer):
    assert answer.status_code == 200
    return answer.content.decode()


def form_of(answer):
    form = answer.context["adminform"].form
    found = {name: form.initial.get(name) for name in form.fields}
    return {name: "" if value is None else value for name, value in found.items()}


def test_mirrored_fields_are_read_only_and_lead_to_their_source(ann, admin_client):
    answer = admin_client.get(of_row())
    page = text(answer)
    assert not {"email", "first_name"} & {*answer.context["adminform"].form.fields}
    assert {"last_name", "subscription_status"} <= {*answer.context["adminform"].form.fields}
    assert reverse("admin:shop_customer_change", args=(ann.pk,)) in page
    assert "Its source: customer “Ann”" in page


def test_a_row_without_a_source_is_as_before(customers, admin_client):
    Contact.objects.create(email="ann@x.example")
    answer = admin_client.get(of_row())
    assert "email" in answer.context["adminform"].form.fields
    assert "Its source" not in text(answer)


def test_staff_change_what_is_theirs(ann, admin_client):
    before = Contact.objects.get()
    answer = admin_client.post(
        of_row(),
        {
            "last_name": "Lovelace",
            "custom_variables": '{"score": 7, "note": "vip"}',
            "external_contact": "{}",
            "phone": "",
            "title": "",
            "linkedin_url": "",
        },
    )
    assert answer.status_code == 302, answer.context["errors"]
    row = Contact.objects.get()
    assert (row.email, row.first_name, row.last_name) == ("ann@x.example", "Ann", "Lovelace")
    assert row.custom_variables == {"score": 7, "note": "vip"}
    assert row.revision > before.revision


def test_the_form_says_beforehand_which_custom_variables_are_the_sources(ann, admin_client):
    assert "Of its customer, and changed there: plan, score." in text(admin_client.get(of_row()))
    other = Contact.objects.create(email="bob@x.example", custom_variables={"plan": "pro"})
    page = reverse("admin:conversion_sync_contact_change", args=(other.pk,))
    assert "changed there" not in text(admin_client.get(page))


def test_a_custom_variable_of_the_source_is_changed_there(ann, admin_client):
    answer = admin_client.post(
        of_row(), {"custom_variables": '{"score": 8}', "external_contact": "{}"}
    )
    assert f"“score” comes from customer {ann.pk}: change it there." in text(answer)
    assert Contact.objects.get().custom_variables == {"score": 7}


def test_the_list_of_customers_says_where_they_stand(
    ann, admin_client, django_assert_max_num_queries
):
    Customer.objects.create(email="bob@x.example", name="Bob", is_active=False)
    address = reverse("admin:shop_customer_changelist")
    text(admin_client.get(address))
    for number in range(20):
        Customer.objects.create(email=f"c{number}@x.example")
    render()
    with django_assert_max_num_queries(14):
        page = text(admin_client.get(address))
    assert page.count('class="field-conversion_state"') == 22
    assert page.count("Waiting to be sent") == 21


def test_the_page_of_a_customer_has_a_panel(ann, admin_client):
    page = text(admin_client.get(reverse("admin:shop_customer_change", args=(ann.pk,))))
    assert of_row() in page
    assert why(ann) in page
    assert "Why?" in page
    assert text(admin_client.get(reverse("admin:shop_customer_add")))


def test_a_customer_is_saved_as_before(ann, admin_client):
    address = reverse("admin:shop_customer_change", args=(ann.pk,))
    answer = admin_client.get(address)
    given = form_of(answer) | {"name": "Anna"}
    assert admin_client.post(address, given).status_code == 302
    render()
    assert contacts()["ann@x.example"].first_name == "Anna"


def test_the_page_says_why(ann, admin_client):
    page = text(admin_client.get(why(ann)))
    assert "is_active=True" in page
    assert of_row() in page
    assert "variables.first_name" in page


def test_the_page_says_why_not(customers, admin_client):
    bob = Customer.objects.create(email="bob@x.example", name="<b>Bob</b>", is_active=False)
    render()
    page = text(admin_client.get(why(bob)))
    assert "This does not hold of it: is_active=True." in page
    assert "<b>Bob" not in page


def test_a_fault_is_shown(mirror, admin_client):
    class Raises(mirrors.Mirror[Customer]):
        email = F("email")
        variables = {"x": lambda customer: 1 / 0}  # noqa: RUF012

    mirror("contact", Customer, Raises)
    customer = Customer.objects.create(email="ann@x.example")
    render()
    assert "ZeroDivisionError" in text(admin_client.get(why(customer)))


def test_sync_now_renders_and_sends(ann, admin_client, conversion):
    Customer.objects.filter(pk=ann.pk).update(name="Anna")
    answer = admin_client.post(why(ann), follow=True)
    assert "is sent now" in text(answer)
    push()
    assert conversion.contacts["ann@x.example"]["variables"]["first_name"] == "Anna"


def test_who_may_not_look_learns_nothing(ann, client):
    user = get_user_model().objects.create(username="staff", is_staff=True)
    client.force_login(user)
    assert client.get(why(ann)).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_customer"))
    page = text(client.get(why(ann)))
    assert "Sync now" not in page
    assert client.post(why(ann)).status_code == 403


def test_of_nobody_there_is_no_page(customers, admin_client):
    assert admin_client.get("/admin/shop/customer/77/conversion/").status_code == 404


def test_a_company_is_read_only_too(mirror, admin_client):
    class Employers(mirrors.Mirror[Employer]):
        variables = {"company_name": F("name")}  # noqa: RUF012

    mirror("company", Employer, Employers)
    employer = Employer.objects.create(name="E")
    render()
    row = link(employer).row
    answer = admin_client.get(reverse("admin:conversion_sync_company_change", args=(row,)))
    fields = {*answer.context["adminform"].form.fields}
    assert not {"external_id", "company_name"} & fields
    assert "industry" in fields


class OrderMirror(mirrors.Mirror[Order]):
    contact = F("customer")
    include = Q(status="placed")
    name = "Order placed"
    data = {"total": F("total"), "outcome": "good"}  # noqa: RUF012

    def description(self, order: Order) -> str:
        return f"Order {order.number}"


class BareMirror(mirrors.Mirror[Order]):
    contact = F("customer")
    name = "Order placed"
    description = F("number")


def engagement_of(mirror, ann, cls):
    mirror("engagement", Order, cls)
    render()  # What was there before the mirror is past.
    order = Order.objects.create(number="A/1", customer=ann, status="placed", total=9)
    render()
    row = Engagement.objects.get()
    return order, reverse("admin:conversion_sync_engagement_change", args=(row.pk,))


def test_a_mirrored_engagement_is_read_only_and_leads_to_its_source(mirror, ann, admin_client):
    order, address = engagement_of(mirror, ann, OrderMirror)
    answer = admin_client.get(address)
    page = text(answer)
    assert {*answer.context["adminform"].form.fields} == {"occurred_at"}
    assert "Its source: order “A/1”" in page
    assert reverse("admin:shop_order_change", args=(quote(order.pk),)) in page
    assert "<bdi>total</bdi></dt><dd><bdi>9.00</bdi>" in page
    given = {"data_outcome": "bad", "name": "x", "source_key": "y", "occurred_at_0": "2026-01-31"}
    answer = admin_client.post(address, given | {"occurred_at_1": "12:00"})
    assert answer.status_code == 302
    row = Engagement.objects.get()
    assert (row.name, row.source_key) == ("Order placed", "shop.order:A/1")
    assert row.data == {"total": "9.00", "outcome": "good"}
    assert row.occurred_at.day == 31


def test_when_a_mirrored_engagement_occurred_is_read_only_where_it_is_mapped(
    mirror, ann, admin_client
):
    class Dated(OrderMirror):
        occurred_at = F("placed_at")

    _order, address = engagement_of(mirror, ann, Dated)
    answer = admin_client.get(address)
    assert "occurred at" in text(answer).lower()
    assert {*answer.context["adminform"].form.fields} == set()


def test_data_that_no_mirror_maps_are_staffs_own(mirror, ann, admin_client):
    _order, address = engagement_of(mirror, ann, BareMirror)
    answer = admin_client.get(address)
    fields = {*answer.context["adminform"].form.fields}
    assert not {"contact", "name", "description", "source_key"} & fields
    assert {"data", "data_outcome", "occurred_at"} <= fields
    given = {"data_outcome": "good", "occurred_at_0": "2026-01-31", "occurred_at_1": "12:00"}
    assert admin_client.post(address, given).status_code == 302
    assert Engagement.objects.get().data == {"outcome": "good"}


def test_an_engagement_without_a_source_is_as_before(customers, admin_client):
    contact = Contact.objects.create(email="ann@x.example")
    row = Engagement.objects.create(contact=contact, name="Call", description="We talked.")
    address = reverse("admin:conversion_sync_engagement_change", args=(row.pk,))
    fields = {*admin_client.get(address).context["adminform"].form.fields}
    assert {"contact", "name", "description", "source_key", "data", "data_outcome"} <= fields


# What is wrong, in the site's own admin


class Odd(mirrors.Mirror[Customer]):
    email = F("email")
    variables = {"score": lambda customer: 1 // len(customer.name)}  # noqa: RUF012


CUSTOMERS = reverse("admin:shop_customer_changelist")


def of_customer(customer):
    return reverse("admin:shop_customer_change", args=(customer.pk,))


@pytest.mark.parametrize(
    ("values", "badge", "words"),
    [
        ({"name": ""}, "Fault", "ZeroDivisionError"),
        ({"email": "none"}, "Unusable value", "email can&#x27;t be used"),
        ({"email": ""}, "No key", "It has no email."),
        ({"email": "ann@x.example"}, "Conflict", "has the row of this key"),
    ],
)
def test_a_source_that_can_not_be_used_says_so(mirror, admin_client, values, badge, words):
    mirror("contact", Customer, Odd)
    Customer.objects.create(email="ann@x.example", name="Ann")
    bob = Customer.objects.create(**({"email": "bob@x.example", "name": "Bob"} | values))
    render()
    for address in (CUSTOMERS, of_customer(bob)):
        page = text(admin_client.get(address))
        assert f"<bdi>{badge}</bdi>" in page
        assert words in page
    assert "Why not?" in text(admin_client.get(of_customer(bob)))


def test_a_row_whose_source_failed_last_has_both_badges(mirror, admin_client):
    mirror("contact", Customer, Odd)
    ann = Customer.objects.create(email="ann@x.example", name="Ann")
    render()
    ann.name = ""
    ann.save()
    render()
    for address in (CUSTOMERS, of_customer(ann)):
        page = text(admin_client.get(address))
        assert "Waiting to be sent" in page
        assert "<bdi>Fault</bdi>" in page


def test_the_panel_says_which_condition_does_not_hold(customers, admin_client):
    bob = Customer.objects.create(email="bob@x.example", is_active=False)
    render()
    assert "This does not hold of it: is_active=True." in text(admin_client.get(of_customer(bob)))
    assert "Excluded" not in text(admin_client.get(CUSTOMERS))


class Joined(mirrors.Mirror[Customer]):
    contact = F("pk")
    name = "Joined"
    description = "Joined."


def test_a_list_of_a_hundred_takes_the_same_queries(
    mirror, admin_client, django_assert_max_num_queries
):
    mirror("contact", Customer, Odd)
    mirror("engagement", Customer, Joined)
    for number in range(25):
        Customer.objects.create(email=f"a{number}@x.example", name="A")
        Customer.objects.create(email=f"a{number}@x.example", name="A")
        Customer.objects.create(email=f"f{number}@x.example", name="")
        Customer.objects.create(email="none", name="A")
    render()
    text(admin_client.get(CUSTOMERS))
    with django_assert_max_num_queries(18):
        page = text(admin_client.get(CUSTOMERS))
    assert page.count('class="field-conversion_state"') == 100
    found = [page.count(f"<bdi>{badge}</bdi>") for badge in ("Fault", "Conflict", "Unusable value")]
    assert found == [25, 25, 25]


def test_only_who_may_look_at_the_row_is_led_to_it(ann, client):
    user = get_user_model().objects.create(username="staff", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_customer"))
    client.force_login(user)
    change = reverse("admin:shop_customer_change", args=(ann.pk,))
    for page in (text(client.get(change)), text(client.get(why(ann)))):
        assert of_row() not in page
        assert "ann@x.example" in page
    user.user_permissions.add(Permission.objects.get(codename="view_contact"))
    for page in (text(client.get(change)), text(client.get(why(ann)))):
        assert of_row() in page
