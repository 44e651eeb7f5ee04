"""The pages of bulk jobs: how far they are, what they found, and who may do what about it."""

from __future__ import annotations

import datetime
import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Q
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from conversion_sync.models import BulkJob, Company, Contact, SubscriptionChange
from conversion_sync.sync import jobs
from conversion_sync.sync.gate import Gate
from conversion_sync.sync.jobs import steps
from conversion_sync.sync.loop import perform
from conversion_sync.sync.run import Run
from tests.admin.conftest import BASE
from tests.kit import ANN, BOB, HOUR, contact, push, synced_contact

Action = BulkJob.Action
LIST = f"{BASE}/bulkjob/"


def url(job, word="change"):
    return f"{LIST}{job.pk}/{word}/"


def page(client, job):
    answer = client.get(url(job))
    assert answer.status_code == 200, answer
    html = answer.content.decode()
    assert " style=" not in html
    assert "<script>" not in html
    return html


def text(client, job):
    html = page(client, job)
    return " ".join(re.sub(r"<[^>]+>", " ", html[html.index('id="content-main"') :]).split())


def do(client, job, action):
    return client.post(url(job, "do"), {"action": action}, follow=True)


def begun(action=Action.SYNC_NOW, *where, by="pia", **arguments):
    return jobs.start(action, Contact, where, requested_by=by, **arguments)


def ended(*args, **kwargs):
    job = begun(*args, **kwargs)
    push()
    job.refresh_from_db()
    assert job.finished_at is not None
    return job


# How far it is


def test_a_job_shows_how_far_it_is_until_it_is_finished(admin, conversion, monkeypatch):
    monkeypatch.setattr(steps, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(steps, "STEP_SECONDS", 0)
    for number in range(5):
        contact(f"c{number}@x.example")
    job = begun(reason="<b>why</b>")
    shown = text(admin, job)
    assert "Waiting to begin" in shown
    assert "0 of 5 rows" in shown
    assert "&lt;b&gt;why&lt;/b&gt;" in shown
    assert "Asked for by pia" in shown
    run = Run("default", 10)
    perform(run, jobs.deliver(run, 8))
    BulkJob.objects.update(created_at=timezone.now() - datetime.timedelta(minutes=1))
    shown, html = text(admin, job), page(admin, job)
    assert "Under way" in shown
    assert "2 of 5 rows (2 rows a minute, about 2 min left)" in shown
    assert '<progress id="cs-job-progress" max="5" value="2">' in html
    assert f'data-live="{url(job)}" data-live-every="2"' in html
    push()
    assert "Finished" in text(admin, job)
    assert "5 of 5 rows" in text(admin, job)
    assert "5 rows are sent now" in text(admin, job)
    assert "data-live=" not in page(admin, job)
    assert 'value="cancel"' not in page(admin, job)


def test_rows_that_were_done_by_others_meanwhile_are_told(admin, conversion):
    contact()
    contact(BOB)
    job = begun(Action.SET_SUBSCRIPTION, status="PENDING")
    row = Contact.objects.get(key=BOB)
    row.subscription_status = "PENDING"
    row.save()
    push()
    shown = text(admin, job)
    assert "1 of 2 rows" in shown
    assert "1 row had changed before its turn came" in shown
    BulkJob.objects.update(cancelled=True)
    assert "had changed" not in text(admin, job)


def test_an_error_is_shown_harmless_with_what_to_do(admin, conversion):
    contact()
    job = ended(Action.SET_SUBSCRIPTION, status="<script>alert(1)</script>")
    shown = text(admin, job)
    assert "Stopped by an error" in shown
    assert "start the action again" in shown
    assert "&lt;script&gt;" in shown
    BulkJob.objects.update(error="x" * 10_000)
    assert "x" * 3000 not in page(admin, job)


def test_what_a_program_says_of_an_error_is_put_into_words(admin, conversion):
    contact()
    job = ended(Action.COMPARE)
    BulkJob.objects.update(error="KeyError: 'and'", affected=0, findings=[])
    assert "An error inside this app (for an administrator: KeyError: " in text(admin, job)
    listed = admin.get(f"{BASE}/bulkjob/").content.decode()
    assert "an error inside this app" in listed
    assert "KeyError" not in listed


def test_what_was_not_compared_is_not_said_to_be_in_conversion(admin, conversion):
    contact()
    push()
    job = ended(Action.COMPARE)
    assert "Conversion has all that we would send." in text(admin, job)
    for stopped in ({"error": "KeyError: 'and'"}, {"error": "", "cancelled": True}):
        BulkJob.objects.update(total=2, **stopped)
        assert "we would send of those that were compared." in text(admin, job)


def test_a_job_says_what_holds_it_up(admin, conversion):
    contact()
    job = begun()
    assert "the job waits" not in text(admin, job)
    Gate().pause("eve")
    assert "the job waits, too. Press “Resume”." in text(admin, job)
    assert f"{BASE}/apigate/" in page(admin, job)
    Gate().resume()
    conversion.fail("401")
    push()
    job = begun()
    assert "the API key was not accepted" in text(admin, job)
    assert "put a valid API key" in text(admin, job)


def test_a_job_says_that_nothing_is_sent_here_or_that_nobody_works(admin, conversion, settings):
    contact()
    job = begun()
    assert "Nobody is working" not in text(admin, job)
    BulkJob.objects.update(created_at=timezone.now() - HOUR)
    assert "Nobody is working" in text(admin, job)
    assert "conversion_push --forever" in text(admin, job)
    settings.CONVERSION_SYNC = {"API_KEY": ""}
    assert "hold no API key" in text(admin, job)


def test_jobs_are_listed(admin, conversion, monkeypatch):
    for number in range(3):
        contact(f"c{number}@x.example")
    begun()
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            html = admin.get(LIST).content.decode()
        counts.append(len(queries))
        begun(Action.RETRY_FAILED)
        begun(Action.SET_SUBSCRIPTION, status="PENDING")
    assert counts[0] == counts[1]
    assert "0 of 3 rows" in html
    assert "Waiting to begin" in html
    assert "bulkjob/add" not in html
    assert " style=" not in html


def test_a_job_of_rows_that_there_are_no_more_can_be_looked_at(admin):
    job = BulkJob.objects.create(action="sync_now", model="x", total=200, done=50)
    assert "50 of 200 rows" in text(admin, job)
    assert admin.get(LIST).status_code == 200


# What it found


@pytest.fixture
def compared(conversion):
    """A comparison that found something of everything."""
    contact(first_name="Ann")
    contact(BOB)
    contact("out@x.example", first_name="<b>Out</b>")
    contact("same@x.example")
    push()
    conversion.app.store.upsert_contacts([{"email": ANN, "variables": {"first_name": "Theirs"}}])
    conversion.app.store.delete_contact(BOB)
    conversion.set_status("out@x.example", "UNSUBSCRIBED")
    return ended(Action.COMPARE)


LOOKING = ("view_contact", "view_bulkjob")


def test_what_a_comparison_found_is_listed_opt_outs_first(staff, compared):
    client = staff(*LOOKING)
    answer = client.get(url(compared))
    found = answer.context["findings"]
    assert [finding.label for finding in found] == [
        "<b>Out</b> <out@x.example>",
        f"Ann <{ANN}>",
        BOB,
    ]
    shown, html = text(client, compared), page(client, compared)
    assert "3 rows differ, or could not be compared" in shown
    assert "Opted out in Conversion We did not know." in shown
    assert "Differs First name" in shown
    assert "Not in Conversion" in shown
    assert "&lt;b&gt;Out" in html
    assert f"/contact/{Contact.objects.get(key=BOB).pk}/compare/" in html
    assert "<button" not in html.split('id="cs-job"')[1]


def test_names_are_shown_to_those_alone_who_may_see_the_rows(staff, compared):
    html = page(staff("view_bulkjob", "view_company"), compared)
    assert "3 rows differ" in html
    assert ANN not in html
    assert "out@x.example" not in html


def test_whom_it_could_not_ask_about_is_listed_with_the_reason(admin, conversion):
    synced_contact()
    conversion.fail("500", method="GET")
    shown = text(admin, ended(Action.COMPARE))
    assert "Not compared" in shown
    assert "A fault of the sandbox. (INTERNAL_ERROR)" in shown


def test_that_nothing_differs_is_said(admin, conversion):
    synced_contact()
    assert "Conversion has all that we would send." in text(admin, ended(Action.COMPARE))


def test_many_findings_are_cut_while_more_come(admin, conversion, monkeypatch):
    monkeypatch.setattr("conversion_sync.admin.job.FIRST", 1)
    for number in range(3):
        contact(f"c{number}@x.example")
    push()
    conversion.reset()
    job = ended(Action.COMPARE)
    assert "The first" not in text(admin, job)
    BulkJob.objects.update(finished_at=None)
    assert "The first 1 of 3." in text(admin, job)


# What can be done about it


def test_ours_is_pushed_for_all_that_differ(staff, compared, conversion):
    client = staff(*LOOKING, "sync_contact", name="max")
    assert "Push ours for all that differ" in page(client, compared)
    answer = do(client, compared, "push")
    pushing = BulkJob.objects.latest("pk")
    assert pushing.pk != compared.pk
    assert answer.redirect_chain[-1][0] == url(pushing)
    assert (pushing.action, pushing.total, pushing.requested_by) == ("sync_now", 2, "max")
    assert LogEntry.objects.get().object_id == str(pushing.pk)
    push()
    assert conversion.contacts[ANN]["variables"] == {"first_name": "Ann"}
    assert BOB in conversion.contacts


def test_opt_outs_are_taken_with_one_click(staff, compared):
    client = staff(*LOOKING, "set_subscription", name="max")
    assert "Take all opt-outs" in page(client, compared)
    assert 'value="push"' not in page(client, compared)
    answer = do(client, compared, "opt_outs").content.decode()
    assert "The opt-out of 1 contact is taken." in answer
    assert "Taken: unsubscribed here, too." in answer
    assert "Take all opt-outs" not in answer
    change = SubscriptionChange.objects.get()
    assert (change.address, change.status) == ("out@x.example", "UNSUBSCRIBED")
    assert (change.sync_status, change.requested_by) == ("SYNCED", "max")
    assert LogEntry.objects.get().object_id == str(compared.pk)
    assert do(client, compared, "opt_outs").status_code == 403


def test_an_opt_out_of_an_address_that_the_contact_has_left_is_not_taken(staff, compared):
    client = staff(*LOOKING, "set_subscription")
    row = Contact.objects.get(key="out@x.example")
    row.email = "new@x.example"
    row.save()
    assert "Take all opt-outs" not in page(client, compared)
    assert do(client, compared, "opt_outs").status_code == 403


def test_a_comparison_that_pushed_offers_no_push(admin, conversion):
    contact(first_name="Ann")
    push()
    conversion.reset()
    assert 'value="push"' not in page(admin, ended(Action.COMPARE, push=True))


def test_a_job_is_cancelled(staff, conversion):
    contact()
    job = begun(by="pia")
    client = staff(name="pia")
    answer = do(client, job, "cancel").content.decode()
    assert "what was done stays done" in answer
    assert "Cancelled" in answer
    job.refresh_from_db()
    assert job.cancelled
    push()
    job.refresh_from_db()
    assert job.done == 0


# Who may


def test_a_job_is_shown_to_whoever_asked_for_it_and_to_whoever_may_see_jobs(staff, conversion):
    contact()
    job = begun(by="pia")
    assert 'value="cancel"' in page(staff(name="pia"), job)
    assert 'value="cancel"' not in page(staff("view_bulkjob", name="sue"), job)
    assert staff("sync_contact", "view_contact", name="max").get(url(job)).status_code == 403
    assert staff("view_bulkjob", name="lou").get(LIST).status_code == 200
    assert Client().get(url(job)).status_code == 302
    nobody = begun(by="")
    assert staff(name="tim").get(url(nobody)).status_code == 403


def test_the_list_is_for_those_with_the_permission(staff, conversion):
    contact()
    begun(by="pia")
    assert staff(name="pia").get(LIST).status_code == 403


@pytest.mark.parametrize(
    ("action", "right"),
    [
        (Action.SYNC_NOW, "sync_contact"),
        (Action.COMPARE, "sync_contact"),
        (Action.SET_SUBSCRIPTION, "set_subscription"),
    ],
)
def test_who_may_cancel_a_job(staff, conversion, action, right):
    contact()
    job = begun(action, by="pia", status="PENDING")
    others = {"sync_contact", "sync_company", "set_subscription", "change_contact"} - {right}
    assert do(staff(*LOOKING, *others, name="sue"), job, "cancel").status_code == 403
    assert not BulkJob.objects.get().cancelled
    assert do(staff(right, name="blind"), job, "cancel").status_code == 403
    assert do(staff("view_bulkjob", right, name="max"), job, "cancel").status_code == 200
    assert BulkJob.objects.get().cancelled


@pytest.mark.parametrize("action", ["push", "opt_outs", "cancel", "", "x"])
def test_who_may_not_see_a_button_can_not_press_it(staff, compared, action):
    client = staff(*LOOKING, "sync_company", "change_contact", "override_consent")
    assert do(client, compared, action).status_code == 403
    assert client.get(url(compared, "do")).url == url(compared)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.create_superuser("root"))
    assert do(strict, compared, action).status_code == 403
    assert BulkJob.objects.count() == 1
    assert not SubscriptionChange.objects.exists()


def test_jobs_are_only_for_reading(admin, conversion):
    contact()
    job = begun()
    for word in ("add", f"{job.pk}/change", f"{job.pk}/delete"):
        assert admin.post(f"{LIST}{word}/", {"post": "yes"}).status_code == 403
    assert admin.get(url(BulkJob(pk=10**6))).status_code == 404
    assert admin.get(f"{LIST}x/change/").status_code == 404


def test_companies_are_compared_too(admin, conversion):
    Company.objects.create(external_id="C1", company_name="Lumentum")
    push()
    conversion.reset()
    job = jobs.start(Action.COMPARE, Company, [Q(key="C1")], requested_by="root")
    push()
    html = page(admin, job)
    assert f"/company/{Company.objects.get().pk}/compare/" in html
    assert "companies" in html
