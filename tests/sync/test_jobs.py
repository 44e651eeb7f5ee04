"""Bulk jobs: a step at a time by the drains, resumed after a crash, behind persons."""

from __future__ import annotations

from typing import Any

import pytest

from conversion_sync.models import (
    ApiGate,
    BulkJob,
    Company,
    Contact,
    Deletion,
    Engagement,
    Status,
    SubscriptionChange,
)
from conversion_sync.models.fields import db_now
from conversion_sync.sync import jobs
from conversion_sync.sync.drain import anything_ready, drain
from conversion_sync.sync.run import Run
from tests.kit import (
    ANN,
    BOB,
    HOUR,
    SECOND,
    TOKEN,
    company,
    contact,
    engagement,
    fresh,
    push,
    sent,
    synced_contact,
    write,
)

pytestmark = pytest.mark.django_db

Action = BulkJob.Action
EVERYTHING: dict[str, Any] = {"all": {}}


def many(count: int) -> None:
    Contact.objects.bulk_create([Contact(email=f"c{n:03}@x.example") for n in range(count)])


def run_job(action: Action, model: type[Any] = Contact, **arguments: Any) -> Any:
    job = jobs.start(action, model, EVERYTHING, requested_by="Eve", **arguments)
    push()
    job.refresh_from_db()
    return job


@pytest.fixture
def small_steps(monkeypatch):
    monkeypatch.setattr(jobs, "STEP", 2)
    monkeypatch.setattr(jobs, "ASKING_STEP", 2)


def test_a_job_works_off_all_its_rows_and_says_so(conversion, small_steps):
    many(5)
    push()
    job = run_job(Action.SYNC_NOW)
    assert (job.total, job.done, job.affected, job.claim) == (5, 5, 5, None)
    assert job.finished_at is not None
    assert job.error == ""
    assert sum(len(body["contacts"]) for body in sent(conversion)) == 10


def test_a_job_over_no_rows_is_finished_at_once():
    job = jobs.start(Action.SYNC_NOW, Contact, EVERYTHING)
    assert job.finished_at is not None
    assert not jobs.any_waiting("default")


def test_a_job_is_something_to_do(conversion):
    synced_contact()
    jobs.start(Action.SYNC_NOW, Contact, EVERYTHING)
    assert anything_ready()


def test_the_rows_are_those_that_match(conversion):
    ann, bob, carl = synced_contact(), synced_contact(BOB), synced_contact("carl@x.example")
    selection = {
        "all": {"pk__in": [ann.pk, bob.pk, carl.pk]},
        "any": [{"key": ANN}, {"key__startswith": "carl"}],
    }
    job = jobs.start(Action.SYNC_NOW, Contact, selection)
    assert job.total == 2
    push()
    assert {item["email"] for item in sent(conversion)[-1]["contacts"]} == {ANN, "carl@x.example"}


def test_rows_that_came_after_the_start_are_left_alone(conversion):
    synced_contact()
    job = jobs.start(Action.SYNC_NOW, Contact, EVERYTHING)
    late = contact(BOB)
    push()
    job.refresh_from_db()
    assert job.done == 1
    assert fresh(late).sent_revision == 1


def test_nobody_waits_behind_the_rows_of_a_job(conversion, monkeypatch):
    row = synced_contact()
    jobs.start(Action.SYNC_NOW, Contact, EVERYTHING)
    monkeypatch.setattr(jobs, "any_waiting", lambda using: False)
    ApiGate.write("default", next_slot_at=db_now("default") + HOUR)
    drain(0.5)
    found = fresh(row)
    assert (found.sync_status, found.priority) == (Status.PENDING, 1)


def test_failed_rows_are_retried(conversion):
    conversion.fail("400")
    row = contact()
    push()
    assert fresh(row).sync_status == Status.FAILED
    run_job(Action.RETRY_FAILED)
    assert fresh(row).sync_status == Status.SYNCED


def test_a_subscription_is_set_through_the_log(conversion):
    contact(subscription_status="SUBSCRIBED")
    contact(BOB)
    push()
    job = run_job(Action.SET_SUBSCRIPTION, status="SUBSCRIBED", reason="A form.")
    assert (job.done, job.affected) == (2, 1)
    change = SubscriptionChange.objects.get(address=BOB)
    assert (change.requested_by, change.source, change.reason) == ("Eve", "bulk", "A form.")
    assert conversion.contacts[BOB]["subscriptionStatus"] == "SUBSCRIBED"


@pytest.mark.parametrize(("override", "ends"), [(False, "UNSUBSCRIBED"), (True, "SUBSCRIBED")])
def test_a_job_lifts_an_opt_out_only_where_somebody_overrides(conversion, override, ends):
    synced_contact(subscription_status="UNSUBSCRIBED")
    run_job(Action.SET_SUBSCRIPTION, status="SUBSCRIBED", reason="x", override=override)
    assert conversion.contacts[ANN]["subscriptionStatus"] == ends


@pytest.mark.parametrize(("action", "arrive"), [(Action.RESEND, 1), (Action.MARK_AS_SENT, 0)])
def test_engagements_in_doubt_are_decided(conversion, action, arrive):
    row = engagement(synced_contact())
    write(row, sync_status=Status.UNCONFIRMED, claim=TOKEN, due_at=None)
    run_job(action, Engagement)
    assert fresh(row).sync_status == Status.SYNCED
    assert len(conversion.engagements) == arrive


def test_failed_deletions_are_discarded(conversion):
    row = Deletion.objects.create(kind="contact", key=ANN)
    write(row, sync_status=Status.FAILED, due_at=None)
    assert run_job(Action.DISCARD_FAILED, Deletion).affected == 1
    assert not Deletion.objects.exists()


def test_a_job_that_is_cancelled_leaves_the_rest_alone(conversion, small_steps):
    many(4)
    push()
    job = jobs.start(Action.SYNC_NOW, Contact, EVERYTHING)
    jobs.cancel(job)
    calls = len(conversion.calls)
    push()
    job.refresh_from_db()
    assert (job.cancelled, job.done) == (True, 0)
    assert len(conversion.calls) == calls


def test_a_job_that_goes_wrong_says_so_and_stops(conversion):
    synced_contact()
    job = run_job(Action.SET_SUBSCRIPTION, status="MAYBE")
    assert "MAYBE" in job.error
    assert job.finished_at is not None
    assert job.claim is None


def test_a_job_that_somebody_works_on_is_left_to_them_until_their_lease_is_over(conversion):
    synced_contact()
    job = jobs.start(Action.SYNC_NOW, Contact, EVERYTHING)
    held = BulkJob.objects.filter(pk=job.pk)
    held.update(claim=TOKEN, leased_until=db_now("default") + HOUR)
    push()
    assert held.get().done == 0
    held.update(leased_until=db_now("default") - SECOND)
    push()
    assert held.get().done == 1


def test_a_step_whose_claim_was_lost_counts_nothing(conversion, monkeypatch):
    synced_contact()
    job = jobs.start(Action.SYNC_NOW, Contact, EVERYTHING)
    real = jobs._work

    def work(run, job, pks):
        BulkJob.objects.update(claim=TOKEN)
        monkeypatch.setattr(jobs, "_work", real)
        return real(run, job, pks)

    monkeypatch.setattr(jobs, "_work", work)
    drain()
    job.refresh_from_db()
    assert (job.done, job.claim) == (0, TOKEN)


def test_a_job_that_another_takes_first_is_left(monkeypatch):
    contact()
    jobs.start(Action.SYNC_NOW, Contact, EVERYTHING)
    real = jobs.uuid.uuid4  # type: ignore[attr-defined]

    def uuid4():
        BulkJob.objects.update(claim=TOKEN, leased_until=db_now("default") + HOUR)
        return real()

    monkeypatch.setattr("uuid.uuid4", uuid4)
    assert jobs._claim("default") is None


# Comparing


def test_a_comparison_finds_what_differs(conversion, small_steps):
    for number in range(3):
        contact(f"same{number}@x.example", first_name="Same")
    contact(first_name="Ann")
    contact(BOB)
    contact("out@x.example")
    push()
    conversion.app.store.upsert_contacts([{"email": ANN, "variables": {"first_name": "Theirs"}}])
    conversion.app.store.delete_contact(BOB)
    conversion.set_status("out@x.example", "UNSUBSCRIBED")
    job = run_job(Action.COMPARE)
    assert (job.total, job.done, job.affected) == (6, 6, 3)
    found = {finding["label"].split("<")[-1].strip(">"): finding for finding in job.findings}
    assert set(found) == {ANN, BOB, "out@x.example"}
    assert found[ANN]["fields"] == ["first_name"]
    assert found[BOB]["missing"] is True
    assert found["out@x.example"]["opt_out"] is True


def test_a_comparison_pushes_what_differs_where_it_is_asked_to(conversion):
    contact(first_name="Ann")
    contact(BOB)
    push()
    conversion.app.store.upsert_contacts([{"email": ANN, "variables": {"first_name": "Theirs"}}])
    run_job(Action.COMPARE, push=True)
    assert conversion.contacts[ANN]["variables"] == {"first_name": "Ann"}
    assert [item["email"] for item in sent(conversion)[-1]["contacts"]] == [ANN]


def test_a_comparison_keeps_only_so_many_findings(conversion, monkeypatch):
    monkeypatch.setattr(jobs, "FINDINGS", 2)
    many(5)
    push()
    conversion.reset()
    job = run_job(Action.COMPARE)
    assert job.affected == 5
    assert len(job.findings) == 2


def test_a_comparison_says_whom_it_could_not_ask_about(conversion):
    synced_contact()
    conversion.fail("500", method="GET")
    [finding] = run_job(Action.COMPARE).findings
    assert finding["error"] == "INTERNAL_ERROR"


def test_a_comparison_goes_on_where_a_shut_gate_stopped_it(conversion):
    synced_contact()
    job = jobs.start(Action.COMPARE, Contact, EVERYTHING)
    conversion.fail("429", headers={"Retry-After": "60"})
    synced_before = len(conversion.calls)
    row = company()
    push()  # the 429 is for the company
    assert fresh(row).sync_status == Status.PENDING
    job.refresh_from_db()
    assert (job.done, job.claim, job.finished_at) == (0, None, None)
    ApiGate.write("default", blocked_until=None)
    push()
    job.refresh_from_db()
    assert job.done == 1
    assert len(conversion.calls) > synced_before


def test_a_comparison_without_time_is_left_for_the_next_drain(conversion):
    synced_contact()
    job = jobs.start(Action.COMPARE, Contact, EVERYTHING)
    assert jobs.step(Run("default", 0)) == 0
    job.refresh_from_db()
    assert (job.done, job.claim, job.finished_at) == (0, None, None)


def test_a_long_job_asks_for_another_drain(conversion, small_steps, settings):
    many(30)
    push()
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "RATE_LIMIT": 20}
    job = jobs.start(Action.COMPARE, Contact, EVERYTHING)
    report = drain(0.4)
    job.refresh_from_db()
    assert 0 < job.done < 30
    assert report.go_on


def test_a_comparison_of_companies(conversion):
    company(base_domain="a.example")
    push()
    conversion.app.store.upsert_companies([{"id": "C1", "baseDomain": "b.example"}])
    [finding] = run_job(Action.COMPARE, Company).findings
    assert finding["fields"] == ["base_domain"]
