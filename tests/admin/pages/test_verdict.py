"""The banner on the pages: shown where the whole is not good, to those whom it concerns."""

import pytest
from django.core.cache import cache

from conversion_sync.models import Company
from conversion_sync.sync.gate import Gate
from tests.admin.conftest import BASE

pytestmark = pytest.mark.django_db

BANNER = 'class="cs-verdict'


@pytest.fixture(autouse=True)
def _counted_anew():
    cache.clear()


@pytest.fixture
def admin(conversion, admin):
    return admin


@pytest.fixture
def pages(contact):
    return [
        "/admin/",
        f"{BASE}/contact/",
        f"{BASE}/deletion/",
        f"{BASE}/contact/{contact.pk}/change/",
    ]


def test_the_panel_that_shows_itself_anew_brings_it(admin, contact):
    panel = f"{BASE}/contact/{contact.pk}/panel/"
    assert BANNER not in admin.get(panel).content.decode()
    Gate().pause("anna")
    cache.clear()
    assert "Paused by anna" in admin.get(panel).content.decode()


def test_nothing_is_said_where_all_is_well(admin, pages):
    for page in pages:
        assert BANNER not in admin.get(page).content.decode()


def test_that_it_is_paused_is_said_on_every_page(admin, pages):
    Gate().pause("anna")
    for page in pages:
        html = admin.get(page).content.decode()
        assert BANNER in html, page
        assert "Paused by anna since" in html
        assert f'<a href="{BASE}/apigate/">Dashboard</a>' in html


def test_the_dashboard_always_says_how_it_stands(admin, contact):
    contact.delete()
    Company.objects.all().delete()
    assert "All is in Conversion." in admin.get(f"{BASE}/apigate/").content.decode()
    Gate().close("UNAUTHORIZED")
    html = admin.get(f"{BASE}/apigate/").content.decode()
    assert "The API key was refused at" in html
    assert "Nothing: no row has failed" not in html


def test_who_has_nothing_to_do_with_it_is_not_told(admin, staff):
    Gate().pause("anna")
    other = staff(name="other")
    assert BANNER not in other.get("/admin/").content.decode()
    seer = staff("view_contact", name="seer")
    html = seer.get("/admin/").content.decode()
    assert "Paused by anna since" in html
    assert "apigate" not in html


def test_a_popup_has_no_banner(admin):
    Gate().pause("anna")
    assert BANNER not in admin.get(f"{BASE}/company/?_popup=1").content.decode()


def test_a_site_that_has_an_index_of_its_own_keeps_it():
    from django.contrib.admin import AdminSite

    from conversion_sync.admin.gate import ApiGateAdmin
    from conversion_sync.models import ApiGate

    site = AdminSite("own")
    site.index_template = "own.html"
    ApiGateAdmin(ApiGate, site)
    assert site.index_template == "own.html"
