"""What is sent of a row: what it has, and null for what it no longer has."""

from __future__ import annotations

import datetime

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from conversion_sync.api import v1
from conversion_sync.models import Company, Contact, Engagement, SubscriptionChange
from conversion_sync.records.last_sent import payload_of
from conversion_sync.records.mappers import push_of
from conversion_sync.sync.payloads import engagement_payload
from tests.kit import ANN, company, contact, fresh, later, on_the_wire, push, sent, synced_contact

EVERYTHING = {
    "first_name": "Ann",
    "last_name": "Lee",
    "phone": "+1 555",
    "title": "Boss",
    "linkedin_url": "https://linkedin.example/in/ann",
}


def test_a_contact_carries_all_that_it_has():
    row = Contact(
        email="Ann@X.example",
        key=ANN,
        company=Company(external_id="C1", company_name="Acme"),
        external_contact={"crm": 7},
        custom_variables={"plan": "pro", "seats": 0, "beta": False, "tags": []},
        subscription_status="SUBSCRIBED",
        **EVERYTHING,
    )
    custom = {"plan": "pro", "seats": 0, "beta": False, "tags": []}
    assert on_the_wire(row) == {
        "email": ANN,
        "variables": {**custom, **EVERYTHING, "company_name": "Acme"},
        "externalContact": {"crm": 7},
    }


def test_a_contact_that_has_nothing_carries_its_email_alone():
    assert on_the_wire(Contact(key=ANN)) == {"email": ANN}


def test_a_column_wins_over_a_custom_variable_of_its_name():
    row = Contact(key=ANN, first_name="Ann", custom_variables={"first_name": "X", "title": "Y"})
    assert on_the_wire(row)["variables"] == {"first_name": "Ann", "title": "Y"}


@pytest.mark.parametrize("key", ["", "ann", "ann@", "a b@x.example", "ann@x"])
def test_a_contact_without_a_valid_email_can_not_be_sent(key):
    with pytest.raises(ValidationError):
        on_the_wire(Contact(key=key))


def test_a_company_carries_all_that_it_has():
    row = Company(
        key="C1",
        base_domain="acme.example",
        company_name="Acme",
        industry="Toys",
        size="11-50",
        annual_revenue=0,
        location="Paris",
        website="https://acme.example",
        custom_variables={"tier": "gold"},
    )
    assert on_the_wire(row) == {
        "id": "C1",
        "baseDomain": "acme.example",
        "variables": {
            "tier": "gold",
            "company_name": "Acme",
            "industry": "Toys",
            "size": "11-50",
            "annual_revenue": 0,
            "location": "Paris",
            "website": "https://acme.example",
        },
    }


def test_a_company_without_an_id_can_not_be_sent():
    with pytest.raises(ValidationError):
        on_the_wire(Company(key=""))


@pytest.mark.django_db
def test_a_subscription_carries_the_address_of_its_own(conversion):
    SubscriptionChange.opt_out("default", [ANN])
    push()
    assert sent(conversion, "/contacts/batch-subscription") == [
        {"contacts": [{"email": ANN, "subscriptionStatus": "UNSUBSCRIBED"}]}
    ]


def engagement(**fields: object) -> Engagement:
    return Engagement(
        **{
            "contact": Contact(key=ANN),
            "name": "Call",
            "description": "We talked.",
            "occurred_at": datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC),
            **fields,
        }
    )


def test_an_engagement_carries_when_it_occurred_in_its_data():
    said = engagement_payload(engagement(data={"outcome": "won", "next_steps": ""}))
    assert v1.engagement_body(said) == {
        "contactEmail": ANN,
        "type": "ACTIVITY",
        "name": "Call",
        "description": "We talked.",
        "data": {"outcome": "won", "occurred_at": "2026-01-02T03:04:00+00:00"},
    }


@pytest.mark.parametrize("name", ["name", "description"])
@pytest.mark.parametrize("value", ["", " \n"])
def test_an_engagement_without_a_name_or_description_can_not_be_sent(name, value):
    with pytest.raises(ValidationError, match=f"The {name} is blank"):
        engagement_payload(engagement(**{name: value}))


# Blanks


def test_all_that_was_pushed_and_is_gone_is_null():
    before = {"email": ANN, "variables": {"title": "Boss", "plan": "pro"}, "externalContact": {}}
    assert on_the_wire(Contact(key=ANN, sent_payload=before)) == {
        "email": ANN,
        "variables": {"title": None, "plan": None},
        "externalContact": None,
    }
    gone = on_the_wire(Company(key="C1", sent_payload={"id": "C1", "baseDomain": "a.example"}))
    assert gone == {"id": "C1", "baseDomain": None}


VALUES = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["", None, 1, "x"]))


@given(st.lists(VALUES, min_size=1, max_size=4))
def test_whatever_was_pushed_before_the_remote_holds_what_the_row_holds(states):
    there: dict[str, object] = {}
    pushed = None
    for values in states:
        row = Contact(key=ANN, custom_variables=values, sent_payload=pushed)
        payload = push_of(row)
        there |= on_the_wire(row).get("variables", {})
        there = {name: value for name, value in there.items() if value is not None}
        assert there == {n: v for n, v in values.items() if v not in ("", None)}
        # the last call may have been confirmed, or not
        pushed = payload_of(payload.without_cleared() if len(values) % 2 else payload)


@pytest.mark.django_db
def test_a_blank_that_was_never_pushed_is_not_sent(conversion):
    row = contact(first_name="Ann")
    conversion.app.store.upsert_contacts([{"email": ANN, "variables": {"title": "Known there"}}])
    push()
    row = fresh(row)
    row.title = ""
    row.first_name = "Anna"
    row.save()
    push()
    assert [body["contacts"][0]["variables"] for body in sent(conversion)] == [
        {"first_name": "Ann"},
        {"first_name": "Anna"},
    ]
    assert conversion.contacts[ANN]["variables"] == {"first_name": "Anna", "title": "Known there"}


@pytest.mark.django_db
def test_a_blank_where_a_value_was_pushed_is_sent_as_null_once(conversion):
    row = synced_contact(first_name="Ann", title="Boss", custom_variables={"plan": "pro"})
    row.title, row.custom_variables = "", {}
    row.save()
    push()
    assert sent(conversion)[-1]["contacts"][0]["variables"] == {
        "first_name": "Ann",
        "title": None,
        "plan": None,
    }
    assert conversion.contacts[ANN]["variables"] == {"first_name": "Ann"}
    row = fresh(row)
    row.last_name = "Lee"
    row.save()
    push()
    assert sent(conversion)[-1]["contacts"][0]["variables"] == {
        "first_name": "Ann",
        "last_name": "Lee",
    }


@pytest.mark.django_db
def test_a_domain_and_reference_data_that_are_blank_now_are_cleared(conversion):
    staff, acme = contact(external_contact={"crm": 7}), company(base_domain="a.example")
    push()
    Contact.objects.filter(pk=staff.pk).update(external_contact={})
    Company.objects.filter(pk=acme.pk).update(base_domain="")
    assert push().failed == 0
    assert conversion.contacts[ANN]["externalContact"] is None
    assert conversion.companies["C1"]["baseDomain"] is None


@pytest.mark.django_db
@pytest.mark.parametrize("lost", ["drop_before", "drop_after"])
def test_a_null_is_sent_until_it_is_confirmed(conversion, lost):
    row = synced_contact(title="Boss")
    row.title = ""
    row.save()
    conversion.fail(lost)
    push()
    later()
    push()
    bodies = [body["contacts"][0]["variables"] for body in sent(conversion)[1:]]
    assert bodies == [{"title": None}] * 2
    assert conversion.contacts[ANN]["variables"] == {}


@pytest.mark.django_db
def test_a_value_that_may_have_been_pushed_is_sent_as_null(conversion):
    row = contact(title="Boss")
    conversion.fail("drop_after")
    push()
    row = fresh(row)
    row.title = ""
    row.save()
    push()
    assert conversion.contacts[ANN]["variables"] == {}


@pytest.mark.django_db
def test_a_second_save_without_a_change_makes_no_call(conversion):
    contact_row, company_row = contact(first_name="Ann"), company(company_name="Acme")
    push()
    calls = len(conversion.calls)
    for row in (contact_row, company_row):
        fresh(row).save()
    push()
    assert len(conversion.calls) == calls
    for row in (contact_row, company_row):
        found = fresh(row)
        assert (found.sync_status, found.due_at) == ("SYNCED", None)
        assert found.sent_revision == found.synced_revision == found.revision == 2


@pytest.mark.django_db
def test_a_change_that_is_taken_back_makes_no_call_unless_it_may_have_arrived(conversion):
    row = synced_contact(first_name="Ann")
    for name in ("Anna", "Ann"):
        Contact.objects.update(first_name=name)
    push()
    assert len(sent(conversion)) == 1
    Contact.objects.update(first_name="Anna")
    conversion.fail("drop_after")
    push()
    Contact.objects.update(first_name="Ann")
    push()
    assert conversion.contacts[ANN]["variables"] == {"first_name": "Ann"}
    assert fresh(row).remote_is_known


@pytest.mark.django_db
def test_what_was_sent_is_kept_as_it_was_sent(conversion):
    row = synced_contact(custom_variables={"ünï": ["ß", {"x": 1.5}]})
    said = sent(conversion)[0]["contacts"][0]
    assert row.sent_payload is not None
    assert row.sent_payload["variables"] == said["variables"]
    assert on_the_wire(row) == said
