"""Times are shown, and read, in the zone of the browser."""

import datetime

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils import timezone

from conversion_sync.middleware import browser_time_zone
from conversion_sync.models import Contact, Engagement

NOON = datetime.datetime(2026, 11, 20, 12, 0, tzinfo=datetime.UTC)


@pytest.fixture
def address(db):
    contact = Contact.objects.create(email="ann@x.example")
    Engagement.objects.create(contact=contact, name="Call", description="x", occurred_at=NOON)
    return f"/admin/conversion_sync/contact/{contact.pk}/"


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("", "Nov. 20, 2026, 12:00:00 p.m. UTC"),
        ("Europe/Berlin", "Nov. 20, 2026, 1:00:00 p.m. CET"),
        ("America/New_York", "Nov. 20, 2026, 7:00:00 a.m. EST"),
        ("Asia/Kolkata", "Nov. 20, 2026, 5:30:00 p.m. IST"),
    ],
)
def test_times_are_shown_in_it_and_it_is_named(admin, address, zone, shown):
    admin.cookies["conversion_sync_zone"] = zone
    assert shown in admin.get(f"{address}change/").content.decode()


def test_times_are_read_in_it(admin, address):
    admin.cookies["conversion_sync_zone"] = "Asia/Kolkata"
    data = {"name": "Demo", "description": "x", "occurred_at": "2026-11-20T17:30"}
    admin.post(f"{address}log/", {f"log-{name}": value for name, value in data.items()})
    assert Engagement.objects.get(name="Demo").occurred_at == NOON


@pytest.mark.parametrize(
    "zone",
    ["Nowhere/City", "../../etc/passwd", "/etc/localtime", "Europe", "x" * 4000, "\x7f", "."],
)
def test_any_other_cookie_leaves_the_zone_of_the_site(zone):
    request = RequestFactory().get("/")
    request.COOKIES["conversion_sync_zone"] = zone

    seen = []

    def view(request):
        seen.append(timezone.get_current_timezone_name())
        return HttpResponse()

    with timezone.override("Asia/Tokyo"):
        answer = browser_time_zone(view)(request)
    assert seen == ["Asia/Tokyo"]
    assert answer["Vary"] == "Cookie"


def test_the_zone_of_one_person_is_not_that_of_the_next(admin, address):
    before = timezone.get_current_timezone_name()
    admin.cookies["conversion_sync_zone"] = "Asia/Kolkata"
    admin.get(f"{address}change/")
    assert timezone.get_current_timezone_name() == before


def test_the_pages_tell_it(admin, address):
    for url in (f"{address}change/", "/admin/conversion_sync/contact/"):
        assert "conversion_sync/zone.js" in admin.get(url).content.decode()
