"""The panel on top of a row's page: what goes on, and what a person can do about it."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from conversion_sync.models import Contact, Deletion, Engagement
from conversion_sync.status.errors import remedy
from tests.admin.conftest import BASE, state
from tests.kit import DAY, logged_call


def page(client, row, word="change"):
    answer = client.get(f"{BASE}/{row._meta.model_name}/{row.pk}/{word}/")
    assert answer.status_code == 200, answer
    return answer.content.decode()


def do(client, row, action):
    url = f"{BASE}/{row._meta.model_name}/{row.pk}/do/"
    return client.post(url, {"action": action}, follow=True)


def test_it_shows_what_the_next_push_changes(admin, contact):
    assert "The next push is the first" in page(admin, contact)
    known = {"variables": {"first_name": "<b>Anna", "last_name": "Ross", "old": 1}}
    state(contact, sent_payload=known)
    html = page(admin, contact)
    changes = {
        change.name: change
        for change in admin.get(f"{BASE}/contact/{contact.pk}/change/").context["panel"].changes
    }
    assert (changes["First name"].known, changes["First name"].becomes) == ("<b>Anna", "Ann")
    assert (changes["old"].known, changes["old"].becomes) == ("1", "")
    assert "last_name" not in changes
    assert "&lt;b&gt;Anna" in html
    state(contact, sync_status="SYNCED", due_at=None)
    assert "The next push" not in page(admin, contact)


def test_it_shows_itself_anew_while_the_row_is_on_its_way(admin, contact):
    live = f'data-live="{BASE}/contact/{contact.pk}/panel/"'
    for html in (page(admin, contact), page(admin, contact, "panel")):
        assert live in html
        assert "Waiting to be sent" in html
    state(contact, sync_status="SYNCED", due_at=None, last_synced_at=timezone.now())
    html = page(admin, contact, "panel")
    assert "Synced just now" in html
    assert "data-live=" not in html
    assert "<html" not in html


def test_a_failed_row_says_what_to_do_and_is_retried(admin, contact):
    state(contact, sync_status="FAILED", due_at=None, last_error_code="NOT_FOUND")
    html = page(admin, contact)
    assert remedy("NOT_FOUND") in html
    assert 'value="retry_failed"' in html
    assert 'value="sync_now"' not in html
    assert remedy("NOT_FOUND") in admin.get(f"{BASE}/contact/").content.decode()
    assert "1 failed row is tried again" in do(admin, contact, "retry_failed").content.decode()
    contact.refresh_from_db()
    assert contact.sync_status == "PENDING"


@pytest.mark.parametrize(("action", "status"), [("resend", "PENDING"), ("mark_as_sent", "SYNCED")])
def test_an_engagement_in_doubt_is_decided_on_its_page(admin, engagement, action, status):
    state(engagement, sync_status="UNCONFIRMED", due_at=None)
    assert f'value="{action}"' in page(admin, engagement)
    do(admin, engagement, action)
    assert Engagement.objects.get().sync_status == status
    assert f'value="{action}"' not in page(admin, engagement)


def test_a_failed_deletion_is_discarded_on_its_page(admin):
    row = Deletion.objects.create(kind="contact", key="a@x.example")
    state(row, sync_status="FAILED")
    assert 'value="discard_failed"' in page(admin, row)
    answer = do(admin, row, "discard_failed")
    assert answer.status_code == 200
    [question] = Deletion.objects.all()
    assert (question.only_asks, question.sync_status) == (True, "PENDING")
    state(question, sync_status="FAILED")
    answer = do(admin, question, "discard_failed")
    assert answer.status_code == 200
    assert not Deletion.objects.exists()


def test_who_may_only_look_sees_no_buttons_and_has_none_by_address(staff, contact):
    client = staff("view_contact")
    state(contact, sync_status="FAILED", due_at=None)
    assert 'name="action"' not in page(client, contact)
    assert do(client, contact, "retry_failed").status_code == 403
    assert Contact.objects.get().sync_status == "FAILED"
    nobody = staff("view_company", name="other")
    for word in ("panel", "change"):
        assert nobody.get(f"{BASE}/contact/{contact.pk}/{word}/").status_code == 403
    assert do(nobody, contact, "retry_failed").status_code == 403
    assert do(Client(), contact, "retry_failed").redirect_chain


@pytest.mark.parametrize("action", ["delete_selected", "resend", "", "x"])
def test_only_the_buttons_of_such_rows_are_taken(admin, contact, action):
    assert do(admin, contact, action).status_code == 403
    assert Contact.objects.exists()


def test_the_address_of_a_button_is_no_page(admin, contact):
    # As after a login, where the session had run out.
    answer = admin.get(f"{BASE}/contact/{contact.pk}/do/", follow=True)
    assert answer.redirect_chain == [(f"{BASE}/contact/{contact.pk}/change/", 302)]
    assert "Nothing was done" in answer.content.decode()
    assert admin.get(f"{BASE}/contact/999/panel/").status_code == 404
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get())
    assert do(strict, contact, "sync_now").status_code == 403


def test_only_who_may_look_at_calls_is_led_to_the_last_one(staff, contact):
    call = logged_call(DAY)
    state(contact, last_call=call.pk)
    words = f"{call.endpoint}, "
    for client, leads in (
        (staff("change_contact", name="changes"), False),
        (staff("view_contact", "view_apicall", name="looks"), True),
    ):
        for word in ("change", "panel"):
            shown = page(client, contact, word)
            assert words in shown
            assert (f"/apicall/{call.pk}/change/" in shown) == leads
