"""Subscribing somebody who had opted out: knowingly, with a reason and the permission."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from conversion_sync.models import Contact, SubscriptionChange
from tests.admin.conftest import BASE
from tests.kit import push


@pytest.fixture
def blocked(db, conversion, contact):
    """A subscription that an opt-out in Conversion blocks."""
    push()
    conversion.set_status(contact.key, "UNSUBSCRIBED")
    Contact.unmarked.update(remote_created_at=None)
    contact = Contact.objects.get()
    contact.subscription_status = "SUBSCRIBED"
    contact.save()
    push()
    change = SubscriptionChange.objects.get(status="SUBSCRIBED")
    assert (change.sync_status, change.last_error_code) == ("FAILED", "CONSENT_BLOCKED")
    return change


def url(change, word="override"):
    return f"{BASE}/subscriptionchange/{change.pk}/{word}/"


RIGHTS = ("view_subscriptionchange", "override_consent")


def test_with_a_reason_it_arrives(staff, blocked, conversion):
    client = staff(*RIGHTS, name="pia")
    assert url(blocked) in client.get(url(blocked, "change")).content.decode()
    html = client.get(url(blocked)).content.decode()
    assert "has opted out" in html
    assert " style=" not in html
    assert "required" in client.post(url(blocked), {"reason": " "}).content.decode()
    assert SubscriptionChange.objects.filter(override=True).count() == 0
    answer = client.post(url(blocked), {"reason": "Asked by phone"}, follow=True)
    assert "is sent anyway" in answer.content.decode()
    made = SubscriptionChange.objects.get(override=True)
    assert (made.requested_by, made.reason, made.status) == ("pia", "Asked by phone", "SUBSCRIBED")
    push()
    assert conversion.contacts[blocked.address]["subscriptionStatus"] == "SUBSCRIBED"
    blocked.refresh_from_db()
    assert blocked.sync_status == "SUPERSEDED"
    again = client.post(url(blocked), {"reason": "x"}, follow=True).content.decode()
    assert "No opt-out blocks this change" in again
    assert SubscriptionChange.objects.filter(override=True).count() == 1


def test_an_opt_out_that_came_after_the_page_is_told_first(staff, blocked):
    client = staff(*RIGHTS)

    def told(answer):
        [number] = re.findall(r'name="told" value="([0-9]+)"', answer.content.decode())
        return number

    given = {"reason": "Asked by phone", "told": told(client.get(url(blocked)))}
    SubscriptionChange.objects.create(
        contact_id=blocked.contact_id, address=blocked.address, status="UNSUBSCRIBED"
    )
    answer = client.post(url(blocked), given)
    assert "opted out again meanwhile" in answer.content.decode()
    assert not SubscriptionChange.objects.filter(override=True).exists()
    assert client.post(url(blocked), given | {"told": told(answer)}).status_code == 302
    assert SubscriptionChange.objects.filter(override=True).exists()


def test_not_without_the_permission(staff, blocked):
    client = staff(
        "view_subscriptionchange", "change_subscriptionchange", "sync_subscriptionchange"
    )
    assert url(blocked) not in client.get(url(blocked, "change")).content.decode()
    assert client.get(url(blocked)).status_code == 403
    assert client.post(url(blocked), {"reason": "x"}).status_code == 403
    blind = staff("override_consent", name="blind")
    assert blind.post(url(blocked), {"reason": "x"}).status_code == 403
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.create_superuser("root"))
    assert strict.post(url(blocked), {"reason": "x"}).status_code == 403
    assert not SubscriptionChange.objects.filter(override=True).exists()
