"""The filters of the lists: what they offer, and what they find."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from conversion_sync.admin.lists.filters import RECENT, EventStatusFilter
from conversion_sync.models import ApiCall, Company, Contact, Engagement, SubscriptionChange
from conversion_sync.status.verdict import Tone, Verdict
from conversion_sync.templatetags import conversion_verdict
from tests.admin.conftest import BASE, state


def shown(client, name, query):
    answer = client.get(f"{BASE}/{name}/", query)
    assert answer.status_code == 200, answer
    return {str(row) for row in answer.context["cl"].result_list}


@pytest.mark.parametrize(
    ("status", "columns"),
    [
        ("synced", {"sync_status": "SYNCED"}),
        ("waiting", {"sync_status": "PENDING"}),
        ("retrying", {"sync_status": "PENDING", "last_error_code": "BUG", "attempts": 1}),
        ("sending", {"sync_status": "SENDING"}),
        ("failed", {"sync_status": "FAILED", "last_error_code": "VALIDATION_ERROR"}),
        ("in-doubt", {"sync_status": "UNCONFIRMED"}),
        ("superseded", {"sync_status": "SUPERSEDED"}),
    ],
)
def test_the_filter_by_status_shows_what_the_badge_says(admin, contact, status, columns):
    engagement = Engagement.objects.create(contact=contact, name="Call", description="text")
    state(engagement, **columns)
    finds = {
        name for name in EventStatusFilter.states if shown(admin, "engagement", {"status": name})
    }
    assert finds == {status}


def test_the_filter_by_error(admin, contact):
    state(contact, sync_status="FAILED", last_error_code="VALIDATION_ERROR")
    answer = admin.get(f"{BASE}/contact/")
    assert "?error=VALIDATION_ERROR" in answer.content.decode()
    assert len(shown(admin, "contact", {"error": "VALIDATION_ERROR"})) == 1
    assert not shown(admin, "contact", {"error": "NOT_FOUND"})


def test_no_company_chosen_is_no_filter(admin, contact):
    """A form sends the box that is empty, too."""
    page = admin.get(f"{BASE}/contact/", {"company__id__exact": "", "status": "waiting"})
    assert page.status_code == 200
    assert [each.pk for each in page.context["cl"].result_list] == [contact.pk]


def test_a_company_is_chosen_though_the_form_repeats_that_none_was(admin, contact):
    other = Contact.objects.create(email="bob@x.example")
    query = {"company__id__exact": ["", contact.company_id]}
    found = admin.get(f"{BASE}/contact/", query).context["cl"].result_list
    assert [each.pk for each in found] == [contact.pk] != [other.pk]


def test_the_filter_by_company_keeps_the_other_filters(admin, contact):
    Contact.objects.create(email="bob@x.example")
    query = {"company__id__exact": contact.company_id, "status": "waiting", "q": "a"}
    assert len(shown(admin, "contact", query)) == 1
    html = admin.get(f"{BASE}/contact/", query).content.decode()
    assert '<input type="hidden" name="status" value="waiting" form="cs-filter">' in html
    assert "Lumentum" in html
    odd = admin.get(f"{BASE}/contact/", {"company__id__exact": "x"}, follow=True)
    assert odd.status_code == 200


def test_the_filter_by_source_offers_what_is_there(admin, contact):
    SubscriptionChange.objects.create(address="a@x.example", status="PENDING", source="import")
    assert "?source=import" in admin.get(f"{BASE}/subscriptionchange/").content.decode()
    assert len(shown(admin, "subscriptionchange", {"source": "import"})) == 1
    assert not shown(admin, "subscriptionchange", {"source": "admin"})


def test_an_error_is_offered_in_words(admin, contact):
    state(contact, sync_status="FAILED", last_error_code="VALIDATION_ERROR")
    assert (
        "refused as not valid (VALIDATION_ERROR)" in admin.get(f"{BASE}/contact/").content.decode()
    )
    state(contact, sync_status="FAILED", last_error_code="NEW_<b>")
    assert "NEW_&lt;b&gt;" in admin.get(f"{BASE}/contact/").content.decode()


def test_the_filter_by_error_finds_what_is_tried_again_but_nothing_that_arrived(admin, contact):
    state(contact, last_error_code="NOT_SENT")
    assert len(shown(admin, "contact", {"error": "NOT_SENT"})) == 1
    state(contact, sync_status="SYNCED")
    assert not shown(admin, "contact", {"error": "NOT_SENT"})


def test_every_error_that_there_is_is_offered(admin, contact):
    state(contact, last_error_code="NOT_SENT", attempts=1)
    assert "?error=NOT_SENT" in admin.get(f"{BASE}/contact/").content.decode()
    state(contact, sync_status="SYNCED")
    assert "?error=NOT_SENT" not in admin.get(f"{BASE}/contact/").content.decode()


def test_an_error_of_an_old_call_is_offered(admin, db):
    call = {"endpoint": "POST /contacts/batch", "started_at": timezone.now()}
    old = ApiCall.objects.create(**call, error_code="CONTENT_REFUSED")
    ApiCall.objects.bulk_create(ApiCall(**call) for _ in range(RECENT))
    page = admin.get(f"{BASE}/apicall/").content.decode()
    assert "?error_code=CONTENT_REFUSED" in page
    assert shown(admin, "apicall", {"error_code": "CONTENT_REFUSED"}) == {str(old)}


@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads what SQLite says of its plans")
@pytest.mark.parametrize(
    "query",
    [
        *({"status": name} for name in EventStatusFilter.states),
        {"error": "NOT_SENT"},
        {"status": "failed", "error": "NOT_SENT"},
        {"occurred_at__gte": "2026-01-01 00:00:00+00:00"},
    ],
)
def test_each_filter_is_counted_by_an_index(admin, contact, query, monkeypatch):
    """Else each look at a list of a million rows would read them all."""
    # The banner counts for itself.
    well = Verdict(Tone.GOOD, "")
    monkeypatch.setattr(conversion_verdict, "glance", lambda using: well)
    Company.objects.create(external_id="C-2")
    with CaptureQueriesContext(connection) as queries:
        shown(admin, "engagement", query)
    (sql,) = (q["sql"] for q in queries if "SELECT COUNT(" in q["sql"])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        plan = " ".join(str(line) for line in cursor.fetchall())
    assert "SEARCH conversion_sync_engagement" in plan, plan
