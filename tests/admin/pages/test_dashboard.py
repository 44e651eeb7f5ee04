"""The dashboard: whether the thing works, and what to do where it does not."""

import datetime
import re

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from conversion_sync.models import ApiCall, BulkJob, Contact
from conversion_sync.status import counts, estimates, recent
from conversion_sync.status.errors import remedy
from conversion_sync.sync.gate import Gate
from tests.admin.conftest import BASE, state

URL = f"{BASE}/apigate/"


@pytest.fixture(autouse=True)
def _counted_anew():
    """On a busy machine a test may take long to count; the next one counts for itself."""
    cache.clear()


def page(client):
    answer = client.get(URL)
    assert answer.status_code == 200
    return answer.content.decode()


def call(ms=100, error="", minutes=1):
    ApiCall.objects.create(
        endpoint="POST /contacts/batch",
        rows=10,
        started_at=timezone.now() - datetime.timedelta(minutes=minutes),
        duration_ms=ms,
        error_code=error,
    )


def test_it_is_linked_from_the_index_and_from_each_list(admin):
    for address in ("/admin/", f"{BASE}/contact/", f"{BASE}/deletion/"):
        assert f'href="{URL}"' in admin.get(address).content.decode()


def test_it_is_for_those_who_may_see_it(staff):
    assert staff("view_contact", name="a").get(URL).status_code == 403
    assert URL not in staff("view_contact", name="b").get(f"{BASE}/contact/").content.decode()
    html = page(staff("view_apigate", name="c"))
    assert "Pause" not in html
    assert f"{BASE}/contact/" not in html
    assert Client().get(URL).status_code == 302


def test_pausing_and_resuming(staff):
    client = staff("view_apigate", "pause", name="pia")
    assert client.get(f"{URL}pause/").url == URL
    client.post(f"{URL}pause/")
    html = page(client)
    assert "Paused" in html
    assert "By pia, since" in html
    assert Gate().state().status == "paused"
    client.post(f"{URL}resume/")
    assert Gate().state().status == "open"
    assert "Sending goes on." in page(client)


@pytest.mark.parametrize("what", ["pause", "resume"])
def test_who_may_not_pause_can_not_do_it_by_address(staff, what):
    client = staff("view_apigate", "change_apigate")
    Gate().pause("somebody")
    assert client.post(f"{URL}{what}/").status_code == 403
    assert Gate().state().reason == "somebody"
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.create_superuser("root"))
    assert strict.post(f"{URL}{what}/").status_code == 403
    assert Gate().state().reason == "somebody"


def test_a_refused_key_is_shown_with_its_remedy(admin, conversion):
    Gate().close("UNAUTHORIZED")
    html = page(admin)
    assert "Closed" in html
    assert "the API key was not accepted" in html
    assert remedy("UNAUTHORIZED") in html


def test_failures_are_one_click_away(admin, contact):
    state(contact, sync_status="FAILED", last_error_code="VALIDATION_ERROR")
    html = page(admin)
    assert f"{BASE}/contact/?status=failed&amp;error=VALIDATION_ERROR" in html
    assert "1 contact</a>" in html
    assert remedy("VALIDATION_ERROR") in html


def test_an_error_that_nobody_knows_is_shown_harmless(admin, contact):
    state(contact, sync_status="FAILED", last_error_code="<script>x</script>")
    html = page(admin)
    assert "<script>x" not in html
    assert "&lt;script&gt;x" in html


def test_the_calls_in_numbers_and_bars(admin):
    for ms in range(1, 21):
        call(ms)
    call(500, error="INTERNAL_ERROR", minutes=120)
    hour, day = admin.get(URL).context["traffic"]
    assert (hour.calls, hour.failed, hour.median, hour.p95) == (20, 0, 10, 19)
    assert (day.calls, day.failed, day.p95) == (21, 1, 20)
    assert day.error_rate == "4.8 %"
    assert len(day.bars) == 2
    assert hour.scale.endswith("; at most 20 calls a minute")
    # In the last hour of a day, the first of these is midnight, today.
    hours = r"Since (\d+/\d+/\d+ )?(\d+ [ap]\.m\.|noon|midnight); at most 20 calls an hour"
    assert re.match(hours, day.scale)
    html = page(admin)
    assert "<title>" in html.partition("<svg")[2]
    assert 'class="cs-plot-bad"' in html


def test_no_calls_are_no_error(admin):
    hour, _day = admin.get(URL).context["traffic"]
    assert (hour.calls, hour.error_rate, hour.median, hour.bars) == (0, "0 %", 0, [])


def test_it_says_that_nobody_works(admin, contact, conversion):
    assert "Nobody is working" not in page(admin)
    state(contact, due_at=timezone.now() - datetime.timedelta(days=1))
    html = page(admin)
    assert "Nobody is working" in html
    assert "conversion_push --forever" in html
    assert "1 d</td>" in html


def test_it_says_that_nothing_is_set_up(admin, settings):
    settings.CONVERSION_SYNC = {"API_KEY": "", "BASE_URL": "https://x.example"}
    assert "The settings hold no API key" in page(admin)
    settings.CONVERSION_SYNC = {"API_KEY": "k", "ENABLED": False}
    assert "Sending is switched off" in page(admin)


def test_what_is_being_sent_has_a_rate_and_a_time_left(admin, contact, conversion):
    call()
    html = page(admin)
    assert "10 rows a minute. About" in html
    assert '<progress id="cs-sending"' in html


def test_one_row_a_minute_is_no_rows(admin, contact, conversion):
    call()
    ApiCall.objects.update(rows=1)
    assert "1 row a minute." in page(admin)


def test_bulk_jobs_show_their_progress(admin):
    BulkJob.objects.create(action="sync_now", model="x", total=200, done=50, requested_by="pia")
    job = BulkJob.objects.get()
    html = page(admin)
    assert "Sync now, x, asked for by pia</bdi></a>: 50 of 200 rows" in html
    assert f'href="{BASE}/bulkjob/{job.pk}/change/"' in html
    assert 'max="200" value="50"' in html


def test_a_job_is_linked_for_those_who_may_see_it(staff):
    job = BulkJob.objects.create(action="sync_now", model="x", total=2, requested_by="pia")
    address = f"{BASE}/bulkjob/{job.pk}/change/"
    assert address not in page(staff("view_apigate", name="sam"))
    for client in (
        staff("view_apigate", "view_bulkjob", name="mia"),
        staff("view_apigate", name="pia"),
    ):
        assert address in page(client)
        assert client.get(address).status_code == 200


def cells(client, kind):
    """The numbers in a line of the table, by column, and where they lead."""
    context = client.get(URL).context
    (row,) = (row for row in context["kinds"] if row.label == kind)
    return {cell.label: (cell.count, cell.address) for cell in row.cells}


def test_what_is_tried_again_is_told_from_what_waits(admin):
    for number, (status, code) in enumerate(
        [("PENDING", ""), ("PENDING", "NOT_SENT"), ("PENDING", "NOT_SENT"), ("SYNCED", "")]
    ):
        row = Contact.objects.create(email=f"p{number}@x.example")
        state(row, sync_status=status, last_error_code=code, attempts=1 if code else 0)
    found = cells(admin, "Contacts")
    assert found["Synced"] == ("1", f"{BASE}/contact/?status=synced")
    assert found["Waiting to be sent"] == ("1", f"{BASE}/contact/?status=waiting")
    assert found["Retrying"] == ("2", f"{BASE}/contact/?status=retrying")
    assert found["Failed"] == ("0", "")
    for count, address in found.values():
        if address:
            assert admin.get(address).context["cl"].result_count == int(count)


def test_what_is_too_much_to_be_counted_is_estimated(admin, monkeypatch, contact):
    state(contact, sync_status="SYNCED", due_at=None)
    monkeypatch.setattr(estimates, "EXACT", 0)
    monkeypatch.setattr(counts, "table_sizes", lambda models, using: dict.fromkeys(models, 987_654))
    assert cells(admin, "Contacts")["Synced"][0] == "about 988,000"


def test_counting_that_takes_long_is_not_done_for_each_look(admin, monkeypatch, contact):
    monkeypatch.setattr(recent, "SLOW", 0)
    monkeypatch.setattr(recent, "REST", 100_000)
    assert cells(admin, "Contacts")["Waiting to be sent"][0] == "1"
    Contact.objects.create(email="new@x.example")
    Gate().pause("mia")
    assert cells(admin, "Contacts")["Waiting to be sent"][0] == "1"
    assert "By mia, since" in page(admin)
    cache.clear()
    assert cells(admin, "Contacts")["Waiting to be sent"][0] == "2"


def test_the_number_of_queries_does_not_grow(admin, contact):
    state(Contact.objects.create(email="p@x.example"), sync_status="FAILED")
    counts = []
    for _round in range(2):
        with CaptureQueriesContext(connection) as queries:
            page(admin)
        counts.append(len(queries))
        for number in range(10):
            row = Contact.objects.create(email=f"p{number}{_round}@x.example")
            state(row, sync_status="FAILED", last_error_code=f"CODE_{number}")
            call(number, error=f"CODE_{number}")
    assert counts[1] <= counts[0] <= 35


def test_looking_at_it_writes_nothing(admin, contact):
    call()
    with CaptureQueriesContext(connection) as queries:
        page(admin)
    assert not [q["sql"] for q in queries if not q["sql"].lstrip().startswith("SELECT")]


def test_it_has_no_inline_script_or_style(admin, contact):
    call(error="INTERNAL_ERROR")
    html = page(admin)
    assert " style=" not in html
    assert "<style" not in html
    assert "<script>" not in html
