"""A site's employers as companies, and the contacts that work there."""

from __future__ import annotations

import pytest
from django.db.models import F, Q

from conversion_sync import mirrors
from conversion_sync.models import Company, Contact
from tests.mirrors.kit import State, link, render
from tests.mirrors.shop.models import Customer, Employer

pytestmark = pytest.mark.django_db


class EmployerMirror(mirrors.Mirror[Employer]):
    include = Q(is_client=True)
    base_domain = F("domain")
    variables = {"company_name": F("name")}  # noqa: RUF012
    on_exit = mirrors.DELETE


class CustomerMirror(mirrors.Mirror[Customer]):
    email = F("email")
    company = F("employer")


@pytest.fixture
def both(mirror):
    mirror("contact", Customer, CustomerMirror)
    mirror("company", Employer, EmployerMirror)


def test_an_employer_is_a_company_by_its_primary_key(both):
    employer = Employer.objects.create(name="Lumentum", domain="lumentum.example")
    render()
    [row] = Company.unmarked.all()
    assert row.external_id == str(employer.pk)
    assert (row.company_name, row.base_domain) == ("Lumentum", "lumentum.example")


def test_a_contact_has_the_company_of_its_employer(both):
    employer = Employer.objects.create(name="Lumentum")
    Customer.objects.create(email="a@x.example", employer=employer)
    render()
    assert Contact.unmarked.get().company_id == link(employer).row


def test_a_contact_gets_its_company_when_that_is_mirrored_later(both):
    employer = Employer.objects.create(name="Lumentum", is_client=False)
    Customer.objects.create(email="a@x.example", employer=employer)
    render()
    assert Contact.unmarked.get().company_id is None
    employer.is_client = True
    employer.save()
    render()
    assert Contact.unmarked.get().company_id == link(employer).row
    employer.is_client = False
    employer.save()
    render()
    assert Contact.unmarked.get().company_id is None
    assert link(employer).state == State.EXCLUDED
    assert not Company.unmarked.exists()


def test_a_contact_that_changes_its_employer_changes_its_company(both):
    employers = [Employer.objects.create(name=name) for name in "AB"]
    customer = Customer.objects.create(email="a@x.example", employer=employers[0])
    render()
    customer.employer = employers[1]
    customer.save()
    render()
    assert Contact.unmarked.get().company_id == link(employers[1]).row
    customer.employer = None
    customer.save()
    render()
    assert Contact.unmarked.get().company_id is None


def test_of_an_employer_many_contacts_are_looked_through_in_steps(both, monkeypatch):
    monkeypatch.setattr("conversion_sync.mirrors.concerned.SOURCES", 3)
    employer = Employer.objects.create(name="Lumentum", is_client=False)
    for number in range(10):
        Customer.objects.create(email=f"c{number}@x.example", employer=employer)
    render()
    employer.is_client = True
    employer.save()
    render()
    assert not Contact.unmarked.filter(company=None).exists()


def test_an_external_id_may_be_any_value(mirror):
    class Named(mirrors.Mirror[Employer]):
        external_id = F("name")

    mirror("company", Employer, Named)
    Employer.objects.create(name="C-1")
    render()
    assert Company.unmarked.get().key == "C-1"
