"""The clock of the database steps back by an hour: everything is sent, and no page says otherwise.

That is the same as if all that is written down lay an hour ahead.
"""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models import F

from conversion_sync.api.errors import NoAnswer, RateLimited, Unauthorized
from conversion_sync.models import (
    ApiGate,
    BulkJob,
    ChannelState,
    Contact,
    Deletion,
    Heartbeat,
    Status,
    SubscriptionChange,
    Wakeup,
)
from conversion_sync.models.clock import db_now
from conversion_sync.queues.wake import wake
from conversion_sync.status.overview import overview
from conversion_sync.sync import jobs
from conversion_sync.sync.clock import rows_are_far_ahead, was_set_back
from conversion_sync.sync.drain import drain
from conversion_sync.sync.gate import BREAKER, Gate, Slots
from conversion_sync.sync.prune import prune_now_and_then
from tests.kit import (
    HOUR,
    MINUTE,
    MODELS,
    SECOND,
    TOKEN,
    claimed,
    company,
    contact,
    engagement,
    fresh,
    later,
    push,
    synced_contact,
    write,
)

pytestmark = pytest.mark.django_db

COLUMNS: dict[Any, tuple[str, ...]] = {
    ApiGate: ("next_slot_at", "blocked_until", "last_ok_at", "closed_at", "paused_at"),
    Heartbeat: ("started_at", "finished_at", "pruned_at"),
    Wakeup: ("requested_until",),
    BulkJob: ("leased_until", "created_at"),
    ChannelState: ("failed_at", "timed_out_at", "trial_until"),
}


def rows_step_back(by: datetime.timedelta = HOUR) -> None:
    for model in MODELS:
        names = ["due_at", "failing_since", "last_attempt_at", "last_synced_at", "created_at"]
        model.unmarked.update(**{name: F(name) + by for name in names})
    Contact.unmarked.update(remote_created_at=F("remote_created_at") + by)


def step_back(by: datetime.timedelta = HOUR) -> None:
    """Set the clock back."""
    rows_step_back(by)
    for model, names in COLUMNS.items():
        model.objects.update(**{name: F(name) + by for name in names})


def states(*rows: Any) -> set[str]:
    return {str(fresh(row).sync_status) for row in rows}


def one_of_each() -> list[Any]:
    known, gone = synced_contact("known@x.example"), synced_contact("gone@x.example")
    gone.delete()
    known.subscription_status = "UNSUBSCRIBED"
    known.save()
    return [
        contact(),
        company(),
        engagement(known),
        Deletion.objects.get(),
        SubscriptionChange.objects.get(),
    ]


def test_everything_is_sent(conversion):
    rows = one_of_each()
    step_back()
    drain()
    [deletion] = [row for row in rows if isinstance(row, Deletion)]
    assert states(*(row for row in rows if row != deletion)) == {Status.SYNCED}
    # What it deletes might be in flight: it waits for as long as a lease, and no longer.
    assert fresh(deletion).due_at <= db_now("default") + MINUTE
    later()
    push()
    assert states(deletion) == {Status.SYNCED}


def test_everything_is_sent_though_no_drain_had_run_for_long(conversion):
    """Nothing says that the clock was set back but the rows."""
    rows = [contact(), company()]
    rows_step_back()
    assert not was_set_back("default")
    drain()
    assert states(*rows) == {Status.SYNCED}


def test_what_waited_for_its_next_try_is_tried_now(conversion):
    rows = [contact(f"c{attempts}@x.example") for attempts in range(4)]
    now = db_now("default")
    for attempts, row in enumerate(rows):
        write(row, attempts=attempts, failing_since=now, due_at=now + 20 * SECOND)
    drain()
    step_back()
    drain()
    assert states(*rows) == {Status.SYNCED}


def test_a_wait_that_can_be_so_long_goes_on(conversion):
    row = contact()
    now = db_now("default")
    due_at = now + 3 * HOUR
    write(row, attempts=12, failing_since=now - 24 * HOUR, due_at=due_at)
    drain()
    step_back(10 * SECOND)
    drain()
    assert states(row) == {Status.PENDING}
    assert fresh(row).due_at == due_at + 10 * SECOND


def test_a_lease_ends_after_its_own_length_and_not_before(conversion):
    row = contact()
    claimed(row)
    drain()
    step_back()
    drain()
    found = fresh(row)
    assert (found.sync_status, found.claim) == (Status.SENDING, TOKEN)
    assert found.due_at <= db_now("default") + MINUTE
    later()
    drain()
    assert states(row) == {Status.SYNCED}


def test_an_engagement_in_flight_is_in_doubt_after_a_lease(conversion):
    row = engagement(synced_contact())
    claimed(row)
    step_back()
    drain()
    assert states(row) == {Status.SENDING}
    later()
    drain()
    assert states(row) == {Status.UNCONFIRMED}


# The gate


@pytest.fixture
def gate(conversion) -> Gate:
    return Gate()


def limited(gate: Gate) -> None:
    gate.report(RateLimited("slow down", status=429, retry_after=600))


def broken(gate: Gate) -> None:
    for _ in range(BREAKER):
        gate.report(NoAnswer("no"))


def probed(gate: Gate) -> None:
    broken(gate)
    ApiGate.objects.update(blocked_until=db_now("default"))
    slots = gate.take()
    assert isinstance(slots, Slots)
    assert slots.probe


def taken(gate: Gate) -> None:
    gate.take(5)


@pytest.mark.parametrize("shut", [limited, broken, probed, taken])
def test_no_block_and_no_slot_outlasts_its_own_length(conversion, gate, shut):
    shut(gate)
    row = contact()
    step_back()
    assert gate.state().status == "open"
    # Within that time: a probe that nobody answered is not waited for either.
    drain(10)
    assert states(row) == {Status.SYNCED}


def test_a_longer_block_of_a_clock_that_was_set_back_does_not_stand(gate):
    limited(gate)
    step_back()
    gate.report(RateLimited("slow down", status=429, retry_after=30))
    until = gate.state().until
    assert until is not None
    assert until <= db_now("default") + 30 * SECOND


def test_a_block_that_can_be_so_long_stands(gate):
    limited(gate)
    step_back(MINUTE)
    assert gate.state().status == "waiting"


def test_a_closure_is_probed_and_counts_anew(conversion, gate):
    row = contact()
    gate.report(Unauthorized("no", status=401))
    ApiGate.objects.update(closure_probes=5)
    step_back()
    until = gate.state().until
    assert until is not None
    assert until <= db_now("default")
    conversion.fail("401")
    drain()
    assert gate.state().status == "closed"
    until = gate.state().until
    assert until is not None
    assert until <= db_now("default") + 2 * MINUTE
    ApiGate.objects.update(closed_at=F("closed_at") - HOUR)
    drain()
    assert states(row) == {Status.SYNCED}


def test_a_success_that_lies_ahead_counts_no_try(gate):
    gate.report(None)
    step_back()
    assert not gate.works_since(db_now("default") - MINUTE)


# The wake, jobs, channels, and what is done now and then


def test_a_request_for_a_drain_stands_no_longer_than_it_can(conversion):
    Wakeup.write("default", requested_until=db_now("default") + MINUTE)
    assert not wake()
    step_back()
    assert wake()


def test_a_job_that_was_worked_on_goes_on(conversion):
    row = synced_contact()
    job = jobs.start(BulkJob.Action.SYNC_NOW, Contact)
    BulkJob.objects.update(claim=TOKEN, leased_until=db_now("default") + MINUTE)
    assert not jobs.waiting("default").exists()
    step_back()
    assert jobs.waiting("default").exists()
    before = len(conversion.calls)
    push()
    job.refresh_from_db()
    assert job.finished_at is not None
    assert len(conversion.calls) > before
    assert states(row) == {Status.SYNCED}


def test_an_endpoint_that_is_being_tried_is_tried_again(conversion):
    row = contact()
    now = db_now("default")
    ChannelState.objects.create(name="contact", timed_out_at=now, trial_until=now + MINUTE)
    step_back()
    drain()
    assert states(row) == {Status.SYNCED}


def test_the_call_log_is_pruned(conversion):
    prune_now_and_then()
    pruned_at: Any = Heartbeat.load("default").pruned_at
    step_back()
    prune_now_and_then()
    found: Any = Heartbeat.load("default").pruned_at
    assert pruned_at <= found <= db_now("default")


def test_our_own_upsert_stands_for_no_question_once_nobody_knows_when_it_was(conversion):
    row = synced_contact()
    assert row.remote_created_at is not None
    row.subscription_status = "SUBSCRIBED"
    row.save()
    step_back()
    before = len(conversion.calls)
    push()
    assert "GET" in [call.method for call in conversion.calls[before:]]


# What people read


def test_status_and_dashboard_say_how_it_is(conversion, admin_client, capsys):
    """Nobody works, though the last drain lies ahead; the gate is open, though its slot does."""
    row = contact()
    drain()
    Gate().take(5)
    write(row, due_at=db_now("default") - 2 * HOUR, sync_status="PENDING")
    for model, names in COLUMNS.items():
        model.objects.update(**{name: F(name) + HOUR for name in names})
    state = overview()
    assert (state.gate.status, state.working) == ("open", False)
    assert state.last_drain.seen_at is None
    with pytest.raises(SystemExit):
        call_command("conversion_status")
    said = capsys.readouterr().out
    assert "The gate is open." in said
    assert "Nobody is working" in said
    page = admin_client.get("/admin/conversion_sync/apigate/").content.decode()
    assert "Nobody is working" in page
    drain()
    state = overview()
    assert (state.gate.status, state.working) == ("open", True)
    assert state.last_drain.seen_at is not None
    assert not state.last_drain.is_running
    assert states(row) == {Status.SYNCED}


@pytest.mark.parametrize("drained", [True, False])
def test_what_lies_ahead_is_counted_as_due_before_a_drain_ran(conversion, capsys, drained):
    if drained:
        drain()
    people, tried = [contact(), contact("b@x.example")], company()
    write(tried, failing_since=db_now("default"), attempts=1)
    claimed(engagement(people[0]))
    assert overview().due == 3
    step_back()
    state = overview()
    assert state.due == 3
    assert state.oldest is not None
    assert state.oldest.oldest_due == pytest.approx(state.now, abs=MINUTE)
    call_command("conversion_status")
    assert "3 due in all" in capsys.readouterr().out
    drain()
    assert states(*people, tried) == {Status.SYNCED}


def test_what_waits_for_its_time_is_not_counted_as_due(conversion):
    push()
    for number in range(2):
        row = contact(f"c{number}@x.example")
        write(row, due_at=db_now("default") + MINUTE, failing_since=db_now("default"), attempts=3)
    assert overview().due == 0


def test_where_no_clock_was_set_back_nothing_is_found(conversion):
    rows = one_of_each()
    push()
    contact("new@x.example")
    assert not was_set_back("default")
    assert not rows_are_far_ahead("default")
    assert states(*rows) == {Status.SYNCED}
