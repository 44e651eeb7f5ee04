"""A save that changes nothing costs no call, whoever saves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conversion_sync.models import Company, Contact, Status, SubscriptionChange, attributed
from conversion_sync.sandbox import Sandbox
from tests.kit import ANN, company, contact, fresh, later, push

pytestmark = pytest.mark.django_db

VARIABLES = {"plan": "pro", "seats": 3, "rate": 1.5, "since": "2026-01-02", "none": None}


@pytest.fixture
def arrived(conversion: Sandbox) -> Sandbox:
    """A company and a person who was subscribed have arrived."""
    acme = company(company_name="Acme", industry="Tools", custom_variables=VARIABLES)
    contact(
        company=acme,
        title="Chief",
        phone="+1 555",
        custom_variables=VARIABLES,
        external_contact={"id": 7},
        subscription_status="SUBSCRIBED",
    )
    push()
    later()
    push()
    assert all(row.sync_status == Status.SYNCED for row in rows())
    return conversion


def rows() -> list[Contact | Company | SubscriptionChange]:
    return [*Contact.objects.all(), *Company.objects.all(), *SubscriptionChange.objects.all()]


def ann() -> Contact:
    row: Contact = Contact.objects.get(email=ANN)
    return row


def acme() -> Company:
    row: Company = Company.objects.get()
    return row


def assigned() -> None:
    row = ann()
    for field in row._meta.concrete_fields:
        if field.editable and not field.primary_key:
            setattr(row, field.attname, getattr(row, field.attname))
    row.save()


def in_bulk() -> None:
    with attributed(bulk=True):
        ann().save()
        acme().save()


def updated_or_created() -> None:
    Contact.objects.update_or_create(email=ANN.upper(), defaults={"title": "Chief"})
    Company.objects.update_or_create(external_id=" C1 ", defaults={"company_name": "Acme"})


def twice() -> None:
    row = ann()
    row.title = "Boss"
    row.save()
    row.title = "Chief"
    row.save()


WAYS: dict[str, Callable[[], object]] = {
    "a save": lambda: ann().save(),
    "a save of a company": lambda: acme().save(),
    "a save of some fields": lambda: ann().save(update_fields=["title", "custom_variables"]),
    "a save of what was deferred": lambda: Contact.objects.only("title").get().save(),
    "all assigned again": assigned,
    "an update": lambda: Contact.objects.update(title="Chief", custom_variables=VARIABLES),
    "an update of the subscription": lambda: Contact.objects.update(
        subscription_status="SUBSCRIBED"
    ),
    "an update of the key": lambda: Contact.objects.update(email=ANN.upper()),
    "a bulk update": lambda: Contact.objects.bulk_update([ann()], ["title", "company", "email"]),
    "a related manager's set": lambda: acme().contacts.set([ann()]),
    "a related manager's add": lambda: acme().contacts.add(ann()),
    "update_or_create": updated_or_created,
    "in bulk": in_bulk,
    "there and back": twice,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_save_that_changes_nothing_costs_no_call(arrived, way):
    calls = len(arrived.calls)
    WAYS[way]()
    push()
    later()
    push()
    assert len(arrived.calls) == calls
    assert all(row.sync_status == Status.SYNCED for row in rows())
    assert fresh(ann()).due_at is None


def test_one_that_changes_something_costs_one(arrived):
    calls = len(arrived.calls)
    row = ann()
    row.title = "Boss"
    row.save()
    push()
    assert len(arrived.calls) == calls + 1
