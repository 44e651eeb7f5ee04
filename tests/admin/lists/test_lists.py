"""All lists: found, filtered, acted on, and with a number of queries that does not grow."""

import html

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from conversion_sync.models import (
    ApiCall,
    ApiGate,
    Company,
    Contact,
    Deletion,
    Engagement,
    Heartbeat,
    SubscriptionChange,
    Wakeup,
)
from conversion_sync.status import times
from conversion_sync.status.verdict import Tone, Verdict
from conversion_sync.templatetags import conversion_verdict
from tests.admin.conftest import BASE, state

SYNCED = {
    "company": Company,
    "contact": Contact,
    "engagement": Engagement,
    "subscriptionchange": SubscriptionChange,
    "deletion": Deletion,
}
READ_ONLY = {
    "subscriptionchange": SubscriptionChange,
    "deletion": Deletion,
    "apicall": ApiCall,
    "apigate": ApiGate,
    "heartbeat": Heartbeat,
    "wakeup": Wakeup,
}


def fill(count, start=0):
    for number in range(start, start + count):
        company = Company.objects.create(external_id=f"c{number}", company_name=f"Co {number}")
        contact = Contact.objects.create(
            email=f"p{number}@x.example", company=company, subscription_status="SUBSCRIBED"
        )
        Engagement.objects.create(contact=contact, name="Call", description="text")
        Deletion.objects.create(kind="contact", key=contact.key)
        ApiCall.objects.create(endpoint="POST /contacts/batch", started_at=timezone.now())


@pytest.mark.parametrize(
    ("name", "words"),
    {
        "company": "By the beginning of the name or the external id.",
        "contact": "By the beginning of the email, the last name or the company, or by both names.",
        "engagement": "By the beginning of the contact's email or of the source key.",
        "subscriptionchange": "By the beginning of the email.",
        "deletion": "By the beginning of the email or the external id.",
    }.items(),
)
def test_a_list_says_what_its_search_looks_at(admin, name, words):
    assert words in html.unescape(admin.get(f"{BASE}/{name}/").content.decode())


@pytest.mark.parametrize("name", [*SYNCED, "apicall"])
def test_the_number_of_queries_does_not_grow_with_the_rows(admin, name, monkeypatch):
    # The banner asks for itself (tests/status/test_glance.py).
    monkeypatch.setattr(conversion_verdict, "glance", lambda using: Verdict(Tone.GOOD, ""))
    counts = []
    for start in (0, 2, 20):
        fill(2 if start < 20 else 18, start)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert admin.get(f"{BASE}/{name}/").status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] == counts[2]
    # PostgreSQL is asked, besides, whether it has the indexes of a search.
    assert counts[0] <= 10 + (connection.vendor == "postgresql")


def shown(client, name, query):
    answer = client.get(f"{BASE}/{name}/", query)
    assert answer.status_code == 200, answer
    return {str(row) for row in answer.context["cl"].result_list}


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ("ANN@", {"ann"}),
        ("ro", {"ann"}),
        ("ROSS", {"ann"}),
        ("ann ross", {"ann"}),
        ("bob ross", set()),
        ("ss", set()),
        ("bob", {"bob"}),
        ("Lumen", {"ann"}),
        ("\0", {"ann", "bob"}),
        ("100%", set()),
        ("_", set()),
    ],
)
def test_contacts_are_found_by_the_beginning_of_email_and_name(admin, contact, term, found):
    Contact.objects.create(email="bob@x.example", first_name="Bob", last_name="Oss-Ross")
    names = {"ann": "Ann Ross <Ann@x.example>", "bob": "Bob Oss-Ross <bob@x.example>"}
    assert shown(admin, "contact", {"q": term}) == {names[name] for name in found}


def test_a_search_uses_an_index(admin, contact):
    with CaptureQueriesContext(connection) as queries:
        shown(admin, "contact", {"q": "ann"})
    sql = next(q["sql"] for q in queries if "LIKE" in q["sql"] and "SELECT COUNT" not in q["sql"])
    assert "UPPER" not in sql
    assert "LIKE '%" not in sql


@pytest.mark.parametrize(
    ("name", "term"),
    [("company", "lum"), ("company", "C-1"), ("engagement", "ann@"), ("engagement", "S-1")],
)
def test_others_are_found_too(admin, engagement, name, term):
    Engagement.objects.update(source_key="S-1")
    assert len(shown(admin, name, {"q": term})) == 1
    assert not shown(admin, name, {"q": "zzz"})


def test_events_are_found_by_address(admin, contact):
    SubscriptionChange.objects.create(contact=contact, address=contact.key, status="SUBSCRIBED")
    Deletion.objects.create(kind="contact", key="ann@x.example")
    for name in ("subscriptionchange", "deletion"):
        assert len(shown(admin, name, {"q": "Ann@"})) == 1
        assert not shown(admin, name, {"q": "bob"})


def test_a_contact_says_that_it_waits_for_a_deletion_of_its_key(admin, contact):
    deletion = Deletion.objects.create(kind="contact", key=contact.key)
    text = admin.get(f"{BASE}/contact/").content.decode()
    assert "Waiting for a deletion of the same key" in text
    state(deletion, sync_status="FAILED")
    assert "same key, which failed" in admin.get(f"{BASE}/contact/").content.decode()
    state(deletion, sync_status="SYNCED")
    assert "Waiting to be sent" in admin.get(f"{BASE}/contact/").content.decode()


def test_what_is_being_sent_says_since_when(admin, contact):
    state(contact, sync_status="SENDING", last_attempt_at=timezone.now())
    listed = admin.get(f"{BASE}/contact/").content.decode()
    assert "Sending…" in listed
    assert 'since <span class="cs-moment"' in listed
    assert "last try" not in listed
    assert "Sending since" in admin.get(f"{BASE}/contact/{contact.pk}/change/").content.decode()


@pytest.mark.parametrize("name", ["subscriptionchange", "deletion", "apicall", "engagement"])
def test_times_that_can_only_be_read_are_as_exact_as_those_of_the_panel(admin, name):
    fill(1)
    model = {**SYNCED, "apicall": ApiCall}[name]
    row = model._default_manager.get()
    at = {"apicall": "started_at", "engagement": "occurred_at"}.get(name, "created_at")
    if name == "engagement":
        state(row, sync_status="SYNCED", due_at=None)
    page = admin.get(f"{BASE}/{name}/{row.pk}/change/").content.decode()
    assert times.exact(getattr(row, at)) in page


@pytest.mark.parametrize("name", SYNCED)
def test_failed_rows_are_tried_again(admin, name):
    fill(3)
    SYNCED[name].unmarked.update(
        sync_status="FAILED", due_at=None, last_error_message="<b>no</b>", priority=1
    )
    html = admin.get(f"{BASE}/{name}/").content.decode()
    assert "Failed: &lt;b&gt;no" in html
    rows = list(SYNCED[name].unmarked.values_list("pk", flat=True)[:2])
    data = {"action": "retry_failed", "_selected_action": rows}
    answer = admin.post(f"{BASE}/{name}/", data, follow=True)
    assert "2 failed rows are tried again" in answer.content.decode()
    tried = SYNCED[name].unmarked.filter(pk__in=rows)
    assert set(tried.values_list("sync_status", "priority")) == {("PENDING", 0)}
    assert SYNCED[name].unmarked.filter(sync_status="FAILED").count() == 1
    answer = admin.post(f"{BASE}/{name}/", data, follow=True)
    assert "None of these rows has failed" in answer.content.decode()


def test_an_action_does_not_ask_for_the_rows_of_the_page(admin):
    fill(3)
    chosen = Contact.objects.latest("pk")
    data = {"action": "sync_now", "index": 0, "_selected_action": [chosen.pk]}
    with CaptureQueriesContext(connection) as asked:
        answer = admin.post(f"{BASE}/contact/", data)
    assert answer.status_code == 302
    statements = [query["sql"].replace("`", '"') for query in asked]
    of_contacts = [sql for sql in statements if ' FROM "conversion_sync_contact"' in sql]
    # Twice the errors that the filter offers; those that it does something to, counted and listed;
    # and, as heads of indexes, what stands in their way.
    assert len(of_contacts) == 5, of_contacts


@pytest.mark.parametrize("data", [{}, {"index": 0}, {"action": "sync_now", "index": 0}])
def test_a_list_is_shown_where_nothing_was_chosen(admin, contact, data):
    answer = admin.post(f"{BASE}/contact/", data, follow=True)
    assert answer.status_code == 200
    assert contact.email in answer.content.decode()


def test_synced_records_are_sent_again_when_asked(admin, contact):
    state(contact, sync_status="SYNCED", due_at=None)
    data = {"action": "sync_now", "_selected_action": [contact.pk]}
    answer = admin.post(f"{BASE}/contact/", data, follow=True)
    # These settings hold no API key, which stands in the way.
    assert "1 row will be sent" in answer.content.decode()
    assert "The settings hold no API key" in answer.content.decode()
    assert Contact.objects.due().count() == 1


def test_a_failed_deletion_is_discarded(admin):
    deletion = Deletion.objects.create(kind="contact", key="a@x.example")
    data = {"action": "discard_failed", "_selected_action": [deletion.pk], "confirmed": "yes"}
    answer = admin.post(f"{BASE}/deletion/", data, follow=True)
    assert "None of these deletions has failed" in answer.content.decode()
    state(deletion, sync_status="FAILED")
    answer = admin.post(f"{BASE}/deletion/", data, follow=True)
    assert "1 failed deletion is discarded" in answer.content.decode()
    [question] = Deletion.objects.all()
    assert (question.only_asks, question.sync_status) == (True, "PENDING")


@pytest.mark.parametrize("name", READ_ONLY)
def test_logs_are_only_for_reading(admin, name):
    fill(1)
    for model in (ApiGate, Heartbeat, Wakeup):
        model.load("default")
    pk = READ_ONLY[name]._default_manager.values_list("pk", flat=True)[0]
    assert admin.get(f"{BASE}/{name}/{pk}/change/").status_code == 200
    for url in ("add/", f"{pk}/change/", f"{pk}/delete/"):
        assert admin.post(f"{BASE}/{name}/{url}", {"post": "yes"}).status_code == 403
    data = {"action": "delete_selected", "_selected_action": [pk], "post": "yes"}
    admin.post(f"{BASE}/{name}/", data)
    assert READ_ONLY[name]._default_manager.filter(pk=pk).exists()


def test_wake_and_heartbeat_are_not_on_the_index(admin):
    html = admin.get("/admin/").content.decode()
    assert "/conversion_sync/apicall/" in html
    assert "/conversion_sync/wakeup/" not in html
    assert "/conversion_sync/heartbeat/" not in html


@pytest.mark.parametrize("name", [*SYNCED, "apicall"])
def test_pages_have_no_inline_script_or_style(admin, name):
    fill(1)
    row = (SYNCED | READ_ONLY)[name]._default_manager.values_list("pk", flat=True)[0]
    for url in (f"{BASE}/{name}/", f"{BASE}/{name}/{row}/change/"):
        answer = admin.get(url)
        html = answer.content.decode()
        assert "default-src 'self'" in answer["Content-Security-Policy"]
        assert " style=" not in html
        assert "<style" not in html
        assert "onclick" not in html
        assert "<script>" not in html


def test_the_panel_says_how_the_last_call_went(admin, contact):
    call = ApiCall.objects.create(
        endpoint="POST /contacts/batch",
        started_at=timezone.now(),
        duration_ms=132,
        http_status=400,
        error_code="VALIDATION_ERROR",
        error_message="no",
    )
    state(contact, last_call=call, sync_status="FAILED", last_error_message="x" * 10_000)
    url = f"{BASE}/contact/{contact.pk}/change/"
    html = admin.get(url).content.decode()
    assert "POST /contacts/batch, 132 ms, HTTP 400" in html
    assert f"/apicall/{call.pk}/change/" in html
    assert "x" * 3000 not in html
    assert "VALIDATION_ERROR" in admin.get(f"{BASE}/apicall/").content.decode()
    call.delete()
    assert "POST /contacts/batch" not in admin.get(url).content.decode()
