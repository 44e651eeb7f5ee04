"""What was sent after the session ran out is not done, and whoever logs in again is told so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, reverse
from django.utils import timezone

from conversion_sync.admin.undone import COOKIE
from conversion_sync.models import (
    ApiCall,
    BulkJob,
    Company,
    Contact,
    Deletion,
    Engagement,
    SubscriptionChange,
)
from tests.admin.conftest import BASE
from tests.kit import contact

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("conversion")]

NOT_DONE = "Nothing was done"

ROWS = (ApiCall, BulkJob, Company, Contact, Deletion, Engagement, SubscriptionChange)


@pytest.fixture
def rows() -> dict[str, int]:
    """The primary key of a row of each model, by its name."""
    ann = contact()
    made = (
        ApiCall.objects.create(endpoint="GET /contacts", rows=1, started_at=timezone.now()),
        BulkJob.objects.create(action="compare", model="conversion_sync.contact"),
        Company.objects.create(external_id="C1"),
        ann,
        Deletion.objects.create(kind="contact", key="old@x.example"),
        Engagement.objects.create(contact=ann, name="Call", description="We talked."),
        SubscriptionChange.objects.create(contact=ann, address=ann.email, status="SUBSCRIBED"),
    )
    return {str(row._meta.model_name): row.pk for row in made}


def addresses(rows: dict[str, int]) -> Iterator[str]:
    """Each address of the admin of this app that there is of these rows, or of all."""
    for model, modeladmin in admin.site._registry.items():
        meta, name = model._meta, str(model._meta.model_name)
        if meta.app_label != "conversion_sync":
            continue
        for pattern in modeladmin.get_urls():
            needs = pattern.pattern.converters
            if not isinstance(pattern, URLPattern) or not pattern.name or "token" in needs:
                continue
            if needs and name not in rows:
                continue
            yield reverse(f"admin:{pattern.name}", args=[rows[name]] if needs else [])


def came_back(address: str) -> str:
    """The page that somebody sees who sent something there, and had to log in first."""
    client = Client()
    answer = client.post(address, {"action": "sync_now"})
    assert answer.status_code == 302, address
    assert "/login/" in answer["Location"], address
    client.force_login(User.objects.get(username="root"))
    answer = client.get(address, follow=True)
    html = b"".join(answer).decode() if answer.streaming else answer.content.decode()
    assert answer.status_code != 405, address
    if answer.status_code == 200 and "<html" in html:
        assert html.count(NOT_DONE) == 1, address
    return html


def test_wherever_it_was_sent(rows):
    User.objects.create_superuser("root")
    tried = list(addresses(rows))
    for address in tried:
        came_back(address)
    contact_pages = {f"{BASE}/contact/{rows['contact']}/{page}/" for page in ("compare", "change")}
    assert {*contact_pages, f"{BASE}/contact/", f"{BASE}/contact/import/"} <= {*tried}
    assert len(tried) > 50


@pytest.mark.parametrize("page", ["{pk}/compare/", "{pk}/change/", "{pk}/delete/", ""])
def test_the_page_where_it_can_be_done_again_says_so_once(rows, page):
    User.objects.create_superuser("root")
    address = f"{BASE}/contact/{page.format(pk=rows['contact'])}"
    client = Client()
    client.post(address, {"action": "push"})
    client.force_login(User.objects.get())
    assert NOT_DONE in client.get(address).content.decode()
    assert NOT_DONE not in client.get(address).content.decode()


def test_a_confirmed_import_leads_back_to_the_upload(rows):
    User.objects.create_superuser("root")
    html = came_back(f"{BASE}/contact/process_import/")
    assert 'id="cs-import"' in html


def test_who_only_looked_before_the_login_is_told_nothing(rows):
    User.objects.create_superuser("root")
    client = Client()
    address = f"{BASE}/contact/{rows['contact']}/compare/"
    client.get(address)
    client.force_login(User.objects.get())
    assert NOT_DONE not in client.get(address).content.decode()


def test_what_was_sent_elsewhere_is_not_said_here(rows):
    User.objects.create_superuser("root")
    client = Client()
    client.post(f"{BASE}/contact/", {"action": "sync_now"})
    assert client.cookies[COOKIE]["path"] == f"{BASE}/contact/"
    client.force_login(User.objects.get())
    below = f"{BASE}/contact/{rows['contact']}/change/"
    assert NOT_DONE not in client.get(below).content.decode()
    assert NOT_DONE in client.get(f"{BASE}/contact/").content.decode()


def test_what_was_done_is_not_called_undone(rows):
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    address = f"{BASE}/contact/{rows['contact']}/compare/"
    client.post(address, {"action": "push"})
    assert COOKIE not in client.cookies
    assert NOT_DONE not in client.get(address).content.decode()
