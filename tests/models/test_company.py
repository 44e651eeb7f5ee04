"""Companies: their key, and the contacts that carry their name."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from conversion_sync.models import Company, Contact, Deletion, Status
from tests.kit import ANN, BOB, company, contact, fresh, push, sent, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(conversion) -> Contact:
    """A contact of a company; both have arrived."""
    acme = company(company_name="Acme")
    contact(BOB)
    row = contact(company=acme)
    push()
    assert fresh(row).sync_status == Status.SYNCED
    found: Contact = fresh(row)
    return found


def company_name(conversion) -> object:
    return conversion.contacts[ANN]["variables"].get("company_name")


def test_a_company_is_known_by_its_id_stripped_with_its_case():
    assert company(" Ab1 ").key == "Ab1"


def save_name(row: Company) -> None:
    row.company_name = "Apex"
    row.save()


def update_name(row: Company) -> None:
    Company.objects.filter(pk=row.pk).update(company_name="Apex")


def bulk_update_name(row: Company) -> None:
    row.company_name = "Apex"
    Company.objects.bulk_update([row], ["company_name"])


@pytest.mark.parametrize("rename", [save_name, update_name, bulk_update_name])
def test_a_new_name_arrives_with_the_contacts_and_with_no_others(conversion, staff, rename):
    before = len(sent(conversion))
    rename(staff.company)
    push()
    assert company_name(conversion) == "Apex"
    assert conversion.companies["C1"]["variables"]["company_name"] == "Apex"
    assert [item["email"] for item in sent(conversion)[before]["contacts"]] == [ANN]


@pytest.mark.parametrize(
    "delete", [lambda row: row.delete(), lambda row: Company.objects.filter(pk=row.pk).delete()]
)
def test_a_deleted_company_takes_its_name_from_the_contacts(conversion, staff, delete):
    delete(staff.company)
    assert fresh(staff).company is None
    push()
    assert company_name(conversion) is None
    assert conversion.companies == {}


def test_another_change_of_a_company_leaves_the_contacts_alone(staff):
    staff.company.industry = "Toys"
    staff.company.save()
    assert fresh(staff).sync_status == Status.SYNCED


def test_a_contact_in_flight_goes_again_under_the_new_name(conversion, in_flight):
    acme = company(company_name="Acme")
    contact(company=acme)
    in_flight(lambda: Company.objects.update(company_name="Apex"))
    push()
    assert company_name(conversion) == "Apex"


def test_a_changed_id_deletes_the_record_of_the_old_one(conversion, staff):
    acme = staff.company
    acme.external_id = "C2"
    acme.save()
    assert Deletion.objects.get().successor is None
    push()
    assert list(conversion.companies) == ["C2"]


def test_a_company_says_what_is_wrong_at_the_field():
    company("C1")
    row = Company(
        external_id=" C1 ", base_domain="https://a.example", custom_variables={"industry ": "Toys"}
    )
    with pytest.raises(ValidationError) as caught:
        row.full_clean()
    said = caught.value.message_dict
    assert set(said) == {"external_id", "base_domain", "custom_variables"}
    assert said["external_id"] == ["There is already a company with this id."]
    assert "“industry ” has a field of its own" in said["custom_variables"][0]


def test_a_company_of_another_case_is_another_company():
    company("C1")
    Company(external_id="c1").full_clean()


def test_a_company_may_be_cleaned_as_it_is():
    row = company("C1", custom_variables={"tier": "gold"})
    row.full_clean()


@pytest.mark.parametrize(("name", "said"), [("Acme", "Acme"), ("", "C1")])
def test_a_company_is_called_by_its_name_or_its_id(name, said):
    assert str(company(company_name=name)) == said


def test_a_company_that_waits_for_a_deletion_makes_it_urgent(conversion):
    acme = company()
    push()
    Company.objects.filter(pk=acme.pk).delete()
    write(Deletion.objects.get(), priority=1)
    again = company()
    again.save()
    assert Deletion.objects.get().priority == 0
