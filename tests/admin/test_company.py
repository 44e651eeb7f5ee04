"""Companies: their form."""

import pytest

from conversion_sync.models import Company, Contact
from conversion_sync.sync.renames import Renames
from tests.admin.conftest import BASE

ADD = f"{BASE}/company/add/"
WAITING = "To be sent with the new name of its company"
ALL = ("view_company", "add_company", "change_company", "delete_company", "sync_company")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("base_domain", "https://x.example", "without “https://”"),
        ("base_domain", "no domain", "This is not a domain"),
        ("external_id", "", "This field is required"),
        ("external_id", "C-1", "already a company with this id"),
        ("annual_revenue", "-5", "greater than or equal to 0"),
        ("custom_variables", '{"size": "1-10"}', "has a field of its own"),
        ("custom_variables", "null", "Enter names and values"),
    ],
)
def test_wrong_input_is_an_error_at_the_field(staff, form_of, company, field, value, message):
    client = staff(*ALL)
    data = form_of(client, ADD) | {"external_id": "C-2"}
    answer = client.post(ADD, data | {field: value})
    assert answer.status_code == 200
    found = dict(answer.context["adminform"].form.errors.items())
    assert list(found) == [field]
    assert message in found[field][0]
    assert Company.objects.count() == 1


def test_a_renamed_company_marks_its_people(staff, form_of, contact):
    Contact.unmarked.update(sync_status="SYNCED", due_at=None)
    client = staff(*ALL)
    url = f"{BASE}/company/{contact.company_id}/change/"
    data = form_of(client, url) | {"company_name": "New name"}
    assert client.post(url, data).status_code == 302
    assert Company.objects.get().company_name == "New name"
    # The people themselves are made due by the next drain; until then their pages say so.
    client.logout()
    client = staff("view_contact", name="kim")
    row = f"{BASE}/contact/{contact.pk}"
    pages = [f"{BASE}/contact/", f"{row}/change/", f"{row}/panel/"]
    for page in pages:
        assert WAITING in client.get(page).content.decode()
    Renames("default").step()
    assert Contact.objects.get().sync_status == "PENDING"
    for page in pages:
        assert WAITING not in client.get(page).content.decode()


def test_a_changed_id_is_confirmed(staff, form_of, company):
    Company.unmarked.update(sent_key="C-1")
    client = staff(*ALL)
    url = f"{BASE}/company/{company.pk}/change/"
    data = form_of(client, url) | {"external_id": "C-2"}
    answer = client.post(url, data)
    (warning,) = answer.context["adminform"].form.errors["confirmed_key"]
    assert "create <strong><bdi>C-2</bdi></strong>, and delete <strong><bdi>C-1" in warning
    assert "subscription" not in warning
    assert Company.objects.get().external_id == "C-1"
    assert client.post(url, data | {"confirmed_key": "C-2"}).status_code == 302
    assert Company.objects.get().key == "C-2"


def test_the_page_shows_the_contacts_and_leads_to_all(staff, company, contact):
    page = f"{BASE}/company/{company.pk}/change/"
    html = staff(*ALL, "view_contact").get(page).content.decode()
    assert f"{BASE}/contact/{contact.pk}/change/" in html
    assert f'contact/?company__id__exact={company.pk}">All contacts of this company (1)' in html
    assert contact.email not in staff(*ALL, name="pia").get(page).content.decode()
