"""A contact's page: its engagements and its consent, newest first."""

import datetime

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from conversion_sync.models import Contact, Engagement, SubscriptionChange, attributed
from tests.admin.conftest import BASE, state
from tests.kit import in_utc


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
    names = [line.text for line in answer.context["engagements"].lines]
    assert names == ["<b>Newer", "Older", "Oldest"]
    html = answer.content.decode()
    assert "&lt;b&gt;Newer" in html
    assert "Waiting for the contact" in html
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


class TestWatching:
    """What is on its way shows itself anew, and nothing else does."""

    def live(self, client, contact):
        html = page(client, contact).content.decode()
        address = f' data-live="{BASE}/contact/{contact.pk}/history-rows/"'
        return [part for part in ("engagements", "consent") if f'"cs-{part}-rows"{address}' in html]

    def test_each_part_is_watched_while_something_in_it_is_on_its_way(self, admin, engagement):
        contact = engagement.contact
        SubscriptionChange.objects.create(contact=contact, address=contact.key, status="PENDING")
        assert self.live(admin, contact) == ["engagements", "consent"]
        state(engagement, sync_status="SYNCED", due_at=None)
        assert self.live(admin, contact) == ["consent"]
        SubscriptionChange.unmarked.update(sync_status="FAILED", due_at=None)
        assert self.live(admin, contact) == []

    def test_it_is_shown_anew_alone(self, admin, engagement):
        url = f"{BASE}/contact/{engagement.contact_id}/history-rows/"
        html = admin.get(url).content.decode()
        assert 'id="cs-engagements-rows"' in html
        assert 'id="cs-consent-rows"' in html
        assert "<form" not in html
        assert "<html" not in html
        assert admin.post(url).status_code == 405

    def test_only_to_those_who_may_see_it(self, staff, engagement):
        url = f"{BASE}/contact/{engagement.contact_id}/history-rows/"
        assert staff("view_engagement").get(url).status_code == 403
        html = staff("view_contact", name="other").get(url).content.decode()
        assert "cs-engagements-rows" not in html


class TestLogging:
    """An engagement is logged on the contact's page, without JavaScript."""

    RIGHTS = ("view_contact", "view_engagement", "add_engagement")

    def log(self, client, contact, **fields):
        given = {"name": "Call", "description": "a\r\nb", "occurred_at": "2026-11-20T10:30"}
        data = {f"log-{name}": value for name, value in (given | fields).items()}
        return client.post(f"{BASE}/contact/{contact.pk}/log/", data)

    @in_utc
    def test_it_is_logged_and_the_page_shown_again(self, staff, contact):
        client = staff(*self.RIGHTS)
        assert (
            f'action="{BASE}/contact/{contact.pk}/log/#cs-engagements"'
            in page(client, contact).content.decode()
        )
        answer = self.log(client, contact)
        place = f"{BASE}/contact/{contact.pk}/change/#cs-engagements"
        assert (answer.status_code, answer["Location"]) == (302, place)
        row = Engagement.objects.get()
        assert (row.contact, row.name, row.description, row.data) == (contact, "Call", "a\nb", {})
        assert row.occurred_at == datetime.datetime(2026, 11, 20, 10, 30, tzinfo=datetime.UTC)
        assert (row.source_key, row.sync_status, row.priority) == (None, "PENDING", 0)
        html = page(client, contact).content.decode()
        assert "The engagement “Call” is logged." in html
        assert "Waiting for the contact" in html

    def test_details_are_stored_in_their_own_type(self, staff, contact):
        client = staff(*self.RIGHTS)
        details = {"data_duration_minutes": "30", "data_tags": "a, b", "data_priority": "high"}
        assert self.log(client, contact, **details).status_code == 302
        data = Engagement.objects.get().data
        assert data == {"duration_minutes": 30, "tags": ["a", "b"], "priority": "high"}

    def test_errors_are_shown_there_with_what_was_typed(self, staff, contact):
        client = staff(*self.RIGHTS, "change_contact")
        answer = self.log(client, contact, name="", description="<b>kept", data_outcome="good")
        assert answer.status_code == 200
        html = answer.content.decode()
        log_form = html.partition('id="log_form"')[2]
        assert "This field is required" in log_form
        assert "&lt;b&gt;kept</textarea>" in log_form
        assert log_form.count("<details open>") == 1
        # The contact's own form is as it was, and is posted where it belongs.
        own = html.partition('id="log_form"')[0]
        assert f'<form action="{BASE}/contact/{contact.pk}/change/" method="post"' in own
        assert "This field is required" not in own
        assert 'value="Ross"' in own
        assert not Engagement.objects.exists()

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("occurred_at", "yesterday"),
            ("occurred_at", ""),
            ("description", " "),
            ("name", "x" * 256),
            ("data_duration_minutes", "-1"),
            ("data_priority", "\0"),
            ("occurred_at", "9999-12-31T23:59"),
            ("description", "x" * 100_001),
            ("data_outcome", "x" * 100_001),
        ],
    )
    def test_wrong_input_is_an_error_at_the_field(self, staff, contact, field, value):
        answer = self.log(staff(*self.RIGHTS), contact, **{field: value})
        assert list(answer.context["log_form"].errors) == [field]
        assert not Engagement.objects.exists()

    def test_nothing_else_can_be_posted(self, staff, contact):
        other = Contact.objects.create(email="other@x.example")
        forged = {"source_key": "evil", "sync_status": "SYNCED", "data": "{}"}
        self.log(staff(*self.RIGHTS), contact, **forged | {"contact_id": other.pk})
        row = Engagement.objects.get()
        assert (row.contact, row.source_key, row.sync_status) == (contact, None, "PENDING")

    def test_only_with_the_permissions(self, staff, contact):
        for number, rights in enumerate((["view_contact"], ["add_engagement"], [])):
            client = staff(*rights, "view_engagement", "change_engagement", name=f"n{number}")
            assert self.log(client, contact).status_code == 403
            assert client.get(f"{BASE}/contact/{contact.pk}/log/").status_code == 403
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(User.objects.create_superuser("root"))
        assert self.log(strict, contact).status_code == 403
        assert self.log(Client(), contact)["Location"].startswith("/admin/login/")
        assert not Engagement.objects.exists()

    def test_a_contact_deleted_meanwhile_is_not_found(self, admin, contact, monkeypatch):
        url = f"{BASE}/contact/{contact.pk}/log/"
        contact.delete()
        assert admin.post(url, {}).status_code == 404

    def test_the_address_alone_leads_to_the_page(self, admin, contact):
        answer = admin.get(f"{BASE}/contact/{contact.pk}/log/")
        assert answer["Location"] == f"{BASE}/contact/{contact.pk}/change/#cs-engagements"
