"""Rows and remote records as snapshots."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from conversion_sync.api import UNSAID, CompanyRecord, ContactRecord, RemoteCompany, RemoteContact
from conversion_sync.models import Company, Contact, Engagement
from conversion_sync.records.company_links import CompanyLinks
from conversion_sync.records.edit import Edit
from conversion_sync.records.mappers import mapper_of, push_of
from conversion_sync.records.snapshot import Snapshot
from tests.kit import ANN

CONTACTS, COMPANIES = mapper_of(Contact), mapper_of(Company)


def test_a_contact_says_what_it_has():
    row = Contact(
        email="Ann@X.example",
        first_name="Ann",
        company=Company(external_id="C1", company_name="Acme"),
        external_contact={"crm": 7},
        custom_variables={"plan": "pro", "seats": 0, "beta": False, "none": None, "blank": ""},
        subscription_status="SUBSCRIBED",
    )
    assert CONTACTS.of_row(row) == Snapshot(
        ANN,
        {"first_name": "Ann", "plan": "pro", "seats": 0, "beta": False},
        {"company_name": "Acme"},
        reference={"crm": 7},
    )
    assert CONTACTS.of_row(Contact(email=ANN)) == Snapshot(ANN)


def test_a_column_wins_over_a_variable_of_its_name():
    custom = {"first_name": "X", "title": "Y", "company_name": "Z"}
    row = Contact(email=ANN, first_name="Ann", custom_variables=custom)
    assert CONTACTS.of_row(row) == Snapshot(
        ANN, {"first_name": "Ann", "title": "Y"}, {"company_name": "Z"}
    )
    row.company = Company(company_name="Acme")
    assert CONTACTS.of_row(row).company == {"company_name": "Acme"}


def test_a_company_says_what_it_has():
    row = Company(
        external_id=" C1 ", base_domain="a.example", annual_revenue=0, custom_variables={"tier": 1}
    )
    said = Snapshot("C1", {"annual_revenue": 0, "tier": 1}, base_domain="a.example")
    assert COMPANIES.of_row(row) == said
    assert COMPANIES.of_row(Company(external_id="C1")) == Snapshot("C1")


@pytest.mark.parametrize("row", [Contact(email="ann"), Contact(email=""), Company(external_id=" ")])
def test_a_row_that_no_api_takes_says_nothing(row):
    with pytest.raises(ValidationError):
        push_of(row)


def test_what_conversion_has_is_said_in_the_same_words():
    variables = {"first_name": "Ann", "company_name": "Acme", "blank": "", "none": None, "no": 0}
    remote = RemoteContact("r1", "Ann@X.example", variables, "PENDING", None, {"crm": 7})
    assert CONTACTS.of_remote(remote) == Snapshot(
        ANN, {"first_name": "Ann", "no": 0}, {"company_name": "Acme"}, reference={"crm": 7}
    )
    assert CONTACTS.of_remote(RemoteContact(None, ANN, {}, None, None)) == Snapshot(ANN)
    company = RemoteCompany("C1", "r1", "a.example", {"company_name": "Acme", "size": ""})
    said = Snapshot("C1", {"company_name": "Acme"}, base_domain="a.example")
    assert COMPANIES.of_remote(company) == said
    assert COMPANIES.of_remote(RemoteCompany("C1", None, None, {})) == Snapshot("C1")


def test_the_api_is_told_no_more_than_is_said():
    said = Snapshot(ANN, {"title": None}, {"company_name": "Acme"}, reference=None)
    assert CONTACTS.record(said) == ContactRecord(
        ANN, {"title": None}, None, {"company_name": "Acme"}
    )
    assert CONTACTS.record(Snapshot(ANN)) == ContactRecord(ANN)
    assert COMPANIES.record(Snapshot("C1", base_domain=None)) == CompanyRecord("C1", None)
    assert COMPANIES.record(Snapshot("C1")) == CompanyRecord("C1", UNSAID)


def edit(row: Contact | Company) -> Edit:
    return Edit(row=row, is_new=False, key="")


def test_a_row_is_filled_with_what_is_said_and_keeps_the_rest():
    row = Contact(
        first_name="Ann",
        title="Boss",
        phone="1",
        external_contact={"crm": 7},
        custom_variables={"plan": "pro", "city": "Rome", "seats": 1},
    )
    made = edit(row)
    variables = {"first_name": 5, "title": None, "plan": None, "seats": True, "new": [1]}
    CONTACTS.fill(made, Snapshot(ANN, variables, reference=None))
    assert (row.first_name, row.title, row.phone) == ("5", "", "1")
    assert row.custom_variables == {"city": "Rome", "seats": True, "new": [1]}
    assert row.custom_variables["seats"] is True
    assert row.external_contact == {}
    changed = {"first_name", "title", "custom_variables", "external_contact"}
    assert made.changed.keys() == changed


def test_what_a_row_has_already_is_no_change():
    row = Company(base_domain="a.example", annual_revenue=5, custom_variables={"x": 1})
    made = edit(row)
    COMPANIES.fill(made, Snapshot("C1", {"annual_revenue": "5", "x": 1}, base_domain="a.example"))
    assert made.changed == {}
    COMPANIES.fill(made, Snapshot("C1", {"annual_revenue": None}, base_domain=None))
    assert (row.annual_revenue, row.base_domain) == (None, "")


def test_a_contact_is_linked_by_the_key_of_its_company():
    row, companies = Contact(company_id=3), CompanyLinks({"C1": 7})
    made = edit(row)
    CONTACTS.fill(made, Snapshot(ANN, company={"company_name": "Acme"}))
    assert (row.company_id, made.changed) == (3, {})
    CONTACTS.fill(made, Snapshot(ANN, company={"external_id": "C1"}), companies)
    assert row.company_id == 7
    CONTACTS.fill(made, Snapshot(ANN, company={"external_id": "C2"}), companies)
    assert (row.company_id, made.unknown_company) == (7, "C2")
    CONTACTS.fill(made, Snapshot(ANN, company={"external_id": None}))
    assert row.company_id is None


def test_a_contact_is_linked_by_the_name_of_its_company_where_names_link():
    row, companies = Contact(company_id=3), CompanyLinks({"C1": 7}, {"Acme": 8})
    made = edit(row)
    CONTACTS.fill(made, Snapshot(ANN, company={"company_name": "Other"}), companies)
    assert (row.company_id, made.changed, made.unknown_company) == (3, {}, "Other")
    CONTACTS.fill(made, Snapshot(ANN, company={"company_name": "Acme"}), companies)
    assert row.company_id == 8
    both = {"company_name": "Acme", "external_id": "C1"}
    CONTACTS.fill(made, Snapshot(ANN, company=both), companies)
    assert row.company_id == 7


def test_a_blank_variable_is_blank_already():
    row = Contact(custom_variables={"plan": None, "x": 1})
    made = edit(row)
    CONTACTS.fill(made, Snapshot(ANN, {"plan": None, "y": None}))
    assert (made.changed, row.custom_variables) == ({}, {"plan": None, "x": 1})


def test_what_no_column_takes_is_refused_by_its_name():
    made = edit(Company())
    with pytest.raises(ValidationError) as caught:
        COMPANIES.fill(made, Snapshot("C1", {"annual_revenue": "much", "size": "1-10"}))
    assert caught.value.message_dict.keys() == {"annual_revenue"}
    assert made.row.size == "1-10"


def test_only_records_have_snapshots():
    with pytest.raises(KeyError):
        mapper_of(Engagement)
