"""A contact's page: its engagements and its consent, newest first."""

import datetime

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from conversion_sync.models import Contact, Engagement, SubscriptionChange, attributed
from tests.admin.conftest import BASE


@pytest.fixture
def admin(db):
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def page(client, contact):
    answer = client.get(f"{BASE}/contact/{contact.pk}/change/")
    assert answer.status_code == 200
    return answer


def test_engagements_are_shown_newest_first_with_their_state(admin, contact):
    now = timezone.now()
    for days, name in ((2, "Older"), (1, "<b>Newer"), (3, "Oldest")):
        Engagement.objects.create(
            contact=contact, name=name, description="x", occurred_at=now - datetime.timedelta(days)
        )
    answer = page(admin, contact)
    names = [line.row.name for line in answer.context["engagements"]]
    assert names == ["<b>Newer", "Older", "Oldest"]
    html = answer.content.decode()
    assert "&lt;b&gt;Newer" in html
    assert "Waiting for its contact" in html
    assert " style=" not in html
    for address in (
        f"{BASE}/engagement/?contact__id__exact={contact.pk}",
        f"{BASE}/engagement/add/?contact={contact.pk}",
    ):
        assert address in html
        assert "Ann" in admin.get(address).content.decode()


def test_the_consent_history_says_who_and_why(admin, contact):
    with attributed(requested_by="pia", source="admin", reason="asked by <i>phone"):
        contact.subscription_status = "UNSUBSCRIBED"
        contact.save()
    html = page(admin, contact).content.decode().partition("Consent history")[2]
    for words in ("pia", "admin", "asked by &lt;i&gt;phone", "Unsubscribed"):
        assert words in html
    address = f"{BASE}/subscriptionchange/?contact__id__exact={contact.pk}"
    assert address in html
    assert admin.get(address).status_code == 200


def test_only_what_a_person_may_see_is_shown(staff, contact, engagement):
    html = page(staff("view_contact"), contact).content.decode()
    assert "Consent history" not in html
    assert "Log an engagement" not in html
    assert f"/engagement/{engagement.pk}/" not in html
    seer = staff("view_contact", "view_engagement", "view_subscriptionchange", name="seer")
    html = page(seer, contact).content.decode()
    assert "Consent history" in html
    assert f"/engagement/{engagement.pk}/" in html
    assert "Log an engagement" not in html


def test_the_number_of_queries_does_not_grow(admin, contact):
    page(admin, contact)  # The content types are read once a process.
    counts = []
    for start in (0, 1, 10):
        for number in range(start, start * 2 + 1):
            Engagement.objects.create(contact=contact, name=f"Call {number}", description="x")
            SubscriptionChange.objects.create(
                contact=contact, address=contact.key, status="PENDING"
            )
        with CaptureQueriesContext(connection) as queries:
            page(admin, Contact.objects.get())
        counts.append(len(queries))
    assert counts[0] == counts[1] == counts[2]


def test_a_new_contact_has_no_history(admin):
    assert "Consent history" not in admin.get(f"{BASE}/contact/add/").content.decode()
