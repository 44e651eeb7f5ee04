"""Rows whose key another row holds: said on the row, in the list and on the dashboard."""

from __future__ import annotations

import pytest
from django.core.cache import cache

from conversion_sync.models import Company, Contact
from tests.admin.conftest import BASE
from tests.kit import fresh, without_key

pytestmark = pytest.mark.django_db

ODD = "a\u200bnn@x.example"
RIGHTS = ("view_contact", "change_contact", "sync_contact", "view_company", "view_apigate")


@pytest.fixture
def pair(contact):
    """The row that holds the key, and the other one."""
    other = Contact.objects.create(email="tmp@x.example", first_name="Anna")
    other = without_key(other, ODD, sent_key=ODD)
    Contact.take_keys("default", [other.pk])
    return contact, fresh(other)


def test_the_row_says_what_it_clashes_with_and_leads_there(staff, pair):
    holder, other = pair
    page = staff(*RIGHTS).get(f"{BASE}/contact/{other.pk}/change/").content.decode()
    assert f"Contact {holder.pk} has the same key: Ann Ross" in page
    assert "KEY_CLASH" in page
    assert "conversion_merge" in page
    assert f'<a class="button" href="{BASE}/contact/{holder.pk}/change/">See the row' in page


def test_the_row_that_has_the_key_says_nothing(staff, pair):
    page = staff(*RIGHTS).get(f"{BASE}/contact/{pair[0].pk}/change/").content.decode()
    assert "See the row that has the key" not in page
    assert "KEY_CLASH" not in page


def test_the_list_and_the_dashboard_say_it(staff, pair):
    cache.clear()  # Rows may have been counted before.
    client = staff(*RIGHTS)
    page = client.get(f"{BASE}/contact/?status=failed&error=KEY_CLASH").content.decode()
    assert "has the same key" in page
    page = client.get(f"{BASE}/apigate/").content.decode()
    assert "another row has the same key" in page
    assert "KEY_CLASH" in page


def test_the_row_can_be_edited_as_before_and_is_not_asked_about(staff, pair, form_of):
    holder, other = pair
    client, url = staff(*RIGHTS), f"{BASE}/contact/{other.pk}/change/"
    data = form_of(client, url) | {"title": "Boss"}
    assert client.post(url, data).status_code == 302
    assert (fresh(other).title, fresh(other).key) == ("Boss", None)
    data = form_of(client, url) | {"email": "anna@x.example"}
    assert client.post(url, data).status_code == 302
    assert fresh(other).key == "anna@x.example"
    assert fresh(holder).key == "ann@x.example"


def test_a_clashing_company_leads_to_the_other_too(staff, company):
    other = without_key(Company.objects.create(external_id="tmp"), "C\u200b-1")
    page = staff(*RIGHTS).get(f"{BASE}/company/{other.pk}/change/").content.decode()
    assert f'href="{BASE}/company/{company.pk}/change/">See the row' in page
