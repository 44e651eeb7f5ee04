"""Bulk jobs: a step at a time by the drains, resumed after a crash, behind persons."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models import F, Q

from conversion_sync.models import (
    ApiGate,
    BulkJob,
    Company,
    Contact,
    Deletion,
    Engagement,
    Heartbeat,
    Status,
    SubscriptionChange,
)
from conversion_sync.models.clock import db_now
from conversion_sync.models.state import PERSON
from conversion_sync.sync import jobs
from conversion_sync.sync.compare import comparisons
from conversion_sync.sync.drain import anything_ready, drain
from conversion_sync.sync.jobs import comparing, held, steps
from conversion_sync.sync.jobs.selection import Unsayable
from conversion_sync.sync.loop import perform
from conversion_sync.sync.run import Run
from tests.kit import (
    ANN,
    BOB,
    MINUTE,
    SECOND,
    TOKEN,
    company,
    contact,
    engagement,
    fresh,
    log,
    push,
    sent,
    synced_contact,
    write,
)

pytestmark = pytest.mark.django_db

Action = BulkJob.Action


def many(count: int) -> None:
    Contact.objects.bulk_create([Contact(email=f"c{n:03}@x.example") for n in range(count)])


def run_job(action: Action, model: type[Any] = Contact, **arguments: Any) -> Any:
    job = jobs.start(action, model, requested_by="Eve", **arguments)
    push()
    job.refresh_from_db()
    return job


@pytest.fixture
def small_steps(monkeypatch):
    monkeypatch.setattr(steps, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(comparing, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(steps, "STEP_SECONDS", 0)


def step(run: Run) -> int:
    return perform(run, jobs.deliver(run, 8))


def test_a_job_works_off_all_its_rows_and_says_so(conversion, small_steps):
    many(5)
    push()
    job = run_job(Action.SYNC_NOW)
    assert (job.total, job.done, job.affected, job.claim) == (5, 5, 5, None)
    assert job.finished_at is not None
    assert job.error == ""
    assert sum(len(body["contacts"]) for body in sent(conversion)) == 10


def test_what_only_writes_does_not_wait_for_the_calls_between_two_steps(small_steps, monkeypatch):
    monkeypatch.setattr(steps, "STEP_SECONDS", 60)
    many(5)
    job = jobs.start(Action.SYNC_NOW, Contact)
    assert step(Run("default", 60)) == 5
    job.refresh_from_db()
    assert job.done == 5


def test_a_job_over_no_rows_is_finished_at_once():
    job = jobs.start(Action.SYNC_NOW, Contact)
    assert job.finished_at is not None
    assert not jobs.waiting("default").exists()


def test_a_job_is_something_to_do(conversion):
    synced_contact()
    jobs.start(Action.SYNC_NOW, Contact)
    assert anything_ready()


def test_the_rows_are_those_that_match(conversion):
    ann, bob, carl = synced_contact(), synced_contact(BOB), synced_contact("carl@x.example")
    where = [Q(pk__in=[ann.pk, bob.pk, carl.pk]), Q(key=ANN) | Q(key__startswith="carl")]
    job = jobs.start(Action.SYNC_NOW, Contact, where)
    assert job.total == 2
    push()
    assert {item["email"] for item in sent(conversion)[-1]["contacts"]} == {ANN, "carl@x.example"}


def test_rows_that_came_after_the_start_are_left_alone(conversion):
    synced_contact()
    job = jobs.start(Action.SYNC_NOW, Contact)
    late = contact(BOB)
    push()
    job.refresh_from_db()
    assert job.done == 1
    assert fresh(late).sent_revision == 1


def test_only_rows_that_the_action_concerns_are_counted(conversion):
    synced_contact()
    row = contact(BOB)
    write(row, sync_status=Status.FAILED, due_at=None)
    engagement(synced_contact("carl@x.example"))
    push()
    assert jobs.start(Action.RETRY_FAILED, Contact).total == 1
    assert jobs.start(Action.SYNC_NOW, Contact).total == 3
    assert jobs.start(Action.SYNC_NOW, Engagement).total == 0
    assert jobs.start(Action.SET_SUBSCRIPTION, Contact, status="PENDING").total == 3
    assert jobs.start(Action.RESEND, Engagement).total == 0


def test_a_condition_that_can_not_be_kept_is_refused():
    with pytest.raises(Unsayable):
        jobs.start(Action.SYNC_NOW, Contact, [Q(key=F("email"))])
    assert not BulkJob.objects.exists()


def test_a_quick_job_does_not_wait_for_the_end_of_a_long_one(small_steps, conversion):
    many(6)
    push()
    long = jobs.start(Action.SYNC_NOW, Contact)
    quick = jobs.start(Action.SYNC_NOW, Contact, [Q(key="c000@x.example")])
    run = Run("default", 10)
    for _ in range(3):
        step(run)
    assert BulkJob.objects.get(pk=quick.pk).done == 1
    assert BulkJob.objects.get(pk=long.pk).done == 4


def test_nobody_waits_behind_the_rows_of_a_job(conversion):
    row = synced_contact()
    jobs.start(Action.SYNC_NOW, Contact)
    ApiGate.write("default", next_slot_at=db_now("default") + 20 * SECOND)
    drain(5)
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
    assert (job.done, job.affected) == (1, 1)
    change = SubscriptionChange.objects.get(address=BOB)
    assert (change.requested_by, change.source, change.reason) == ("Eve", "bulk", "A form.")
    assert conversion.contacts[BOB]["subscriptionStatus"] == "SUBSCRIBED"


@pytest.mark.parametrize(("override", "ends"), [(False, "UNSUBSCRIBED"), (True, "SUBSCRIBED")])
def test_a_job_lifts_an_opt_out_only_where_somebody_overrides(conversion, override, ends):
    synced_contact(subscription_status="UNSUBSCRIBED")
    run_job(Action.SET_SUBSCRIPTION, status="SUBSCRIBED", reason="x", override=override)
    assert conversion.contacts[ANN]["subscriptionStatus"] == ends


def test_whoever_opted_out_is_left_as_they_are(conversion):
    contact(subscription_status="UNSUBSCRIBED")
    contact(BOB)
    push()
    job = run_job(Action.SET_SUBSCRIPTION, status="SUBSCRIBED", reason="x")
    assert (job.total, job.done, job.affected) == (2, 2, 1)
    assert log() == [("UNSUBSCRIBED", "SYNCED")]
    assert Contact.objects.get(key=ANN).subscription_status == "UNSUBSCRIBED"


def test_an_opt_out_in_bulk_goes_through_at_once(conversion):
    synced_contact(subscription_status="SUBSCRIBED")
    jobs.start(Action.SET_SUBSCRIPTION, Contact, status="UNSUBSCRIBED", reason="x")
    step(Run("default", 10))
    change = SubscriptionChange.objects.get(status="UNSUBSCRIBED")
    assert change.priority == PERSON
    push()
    assert conversion.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"


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
    # Nothing is deleted; Conversion is asked whether the person has opted out.
    assert fresh(row).only_asks
    assert not any(call.method == "DELETE" for call in conversion.calls)


def test_a_job_that_is_cancelled_leaves_the_rest_alone(conversion, small_steps):
    many(4)
    push()
    job = jobs.start(Action.SYNC_NOW, Contact)
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
    job = jobs.start(Action.SYNC_NOW, Contact)
    held = BulkJob.objects.filter(pk=job.pk)
    held.update(claim=TOKEN, leased_until=db_now("default") + MINUTE / 2)
    push()
    assert held.get().done == 0
    held.update(leased_until=db_now("default") - SECOND)
    push()
    assert held.get().done == 1


def test_a_step_whose_claim_was_lost_does_and_counts_nothing(conversion, monkeypatch):
    row = synced_contact()
    job = jobs.start(Action.SYNC_NOW, Contact)
    real = steps.act  # type: ignore[attr-defined]  # what the module imported

    def act(action, rows, arguments):
        affected = real(action, rows, arguments)
        BulkJob.objects.update(claim=TOKEN)
        return affected

    monkeypatch.setattr(steps, "act", act)
    step(Run("default", 10))
    job.refresh_from_db()
    assert job.done == 0
    assert fresh(row).sync_status == Status.SYNCED


def test_a_step_begins_where_the_one_before_it_ended(small_steps, monkeypatch):
    """Another worker did a step between our look at the job and our claim."""
    many(4)
    job = jobs.start(Action.SYNC_NOW, Contact)
    second = Contact.objects.order_by("pk")[1]

    def look_at_the_clock(using):
        monkeypatch.setattr(held, "db_now", db_now)
        now = db_now(using)
        BulkJob.objects.update(cursor=second.pk, done=2)
        return now

    monkeypatch.setattr(held, "db_now", look_at_the_clock)
    step(Run("default", 10))
    job.refresh_from_db()
    assert (job.done, job.cursor) == (4, job.last_pk)


def test_a_database_that_fails_for_a_moment_ends_no_job(conversion, monkeypatch):
    row = synced_contact()
    job = jobs.start(Action.SYNC_NOW, Contact)
    real = steps.act  # type: ignore[attr-defined]  # what the module imported

    def act(*args):
        monkeypatch.setattr(steps, "act", real)
        raise OperationalError("database is locked")

    monkeypatch.setattr(steps, "act", act)
    step(Run("default", 10))
    job.refresh_from_db()
    assert (job.done, job.error) == (1, "")
    assert fresh(row).sync_status == Status.PENDING


def test_a_job_that_another_takes_first_is_left(monkeypatch):
    contact()
    jobs.start(Action.SYNC_NOW, Contact)
    real = uuid.uuid4

    def uuid4():
        BulkJob.objects.update(claim=TOKEN, leased_until=db_now("default") + MINUTE / 2)
        return real()

    monkeypatch.setattr("uuid.uuid4", uuid4)
    assert held.take_job("default") is None


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
    monkeypatch.setattr(comparing, "FINDINGS", 2)
    many(5)
    push()
    conversion.reset()
    job = run_job(Action.COMPARE)
    assert job.affected == 5
    assert len(job.findings) == 2


def test_a_comparison_drops_no_opt_out_for_other_findings(conversion, monkeypatch):
    monkeypatch.setattr(comparing, "FINDINGS", 2)
    many(5)
    push()
    conversion.reset()
    many_gone = Contact.objects.order_by("-pk").first()
    conversion.app.store.upsert_contacts([{"email": many_gone.key}])
    conversion.set_status(many_gone.key, "UNSUBSCRIBED")
    findings = run_job(Action.COMPARE).findings
    assert [finding["opt_out"] for finding in findings] == [True, False]
    assert findings[0]["key"] == many_gone.key


def test_a_comparison_says_whom_it_could_not_ask_about(conversion):
    synced_contact()
    conversion.fail("500", method="GET")
    [finding] = run_job(Action.COMPARE).findings
    assert finding["error"] == "INTERNAL_ERROR"


def test_a_comparison_goes_on_where_a_shut_gate_stopped_it(conversion, one_at_a_time):
    synced_contact()
    job = jobs.start(Action.COMPARE, Contact)
    conversion.fail("429", headers={"Retry-After": "60"})
    synced_before = len(conversion.calls)
    row = company()
    Heartbeat.write("default", turn="company")
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
    job = jobs.start(Action.COMPARE, Contact)
    assert step(Run("default", 0)) == 0
    job.refresh_from_db()
    assert (job.done, job.claim, job.finished_at) == (0, None, None)


def test_a_long_job_asks_for_another_drain(conversion, one_at_a_time, small_steps):
    many(10)
    push()
    job = jobs.start(Action.COMPARE, Contact)
    report = drain(60, stop=lambda: BulkJob.objects.filter(done__gte=4).exists())
    job.refresh_from_db()
    assert job.done == 4
    assert report.go_on


def test_a_drain_whose_time_is_over_as_a_step_begins_is_followed_by_another(
    conversion, one_at_a_time, small_steps, monkeypatch
):
    many(6)
    push()
    job = jobs.start(Action.COMPARE, Contact)
    real, begun = comparisons, list[bool]()

    def counting(*args, **kwargs):
        begun.append(True)
        return real(*args, **kwargs)

    monkeypatch.setattr(comparing, "comparisons", counting)
    report = drain(60, stop=lambda: len(begun) > 1)
    job.refresh_from_db()
    assert job.done == 2
    assert report.go_on


def test_a_comparison_of_companies(conversion):
    company(base_domain="a.example")
    push()
    conversion.app.store.upsert_companies([{"id": "C1", "baseDomain": "b.example"}])
    [finding] = run_job(Action.COMPARE, Company).findings
    assert finding["fields"] == ["base_domain"]
