"""Settling: who may write what, and when."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conversion_sync.api import StatusChange
from conversion_sync.models import ApiCall, Contact, Engagement, Status, SubscriptionChange
from conversion_sync.models.clock import db_now
from conversion_sync.models.locking import locking
from conversion_sync.sync.claim import Claim
from conversion_sync.sync.outcomes import Decision, Outcome
from conversion_sync.sync.payloads import engagement_payload
from conversion_sync.sync.settle import expire_engagements, settle, settling
from tests.kit import BOB, SECOND, contact, engagement, fresh, write
from tests.sync.kit import OK, claim, settle_all

pytestmark = pytest.mark.django_db


def test_only_the_holder_of_the_claim_settles(heard):
    row = contact()
    late = claim()
    write(row, due_at=db_now("default") - SECOND)
    holder = claim()
    assert settle_all(late) == 0
    assert fresh(row).sync_status == Status.SENDING
    assert settle_all(holder) == 1
    assert fresh(row).sync_status == Status.SYNCED
    assert heard == [("synced", [row.pk])]


@pytest.mark.parametrize(
    "decision", [each for each in Decision if each is not Decision.UNCONFIRMED], ids=str
)
def test_a_row_that_was_edited_in_flight_is_due_again_whatever_came(decision, heard):
    row = contact()
    taken = claim()
    Contact.objects.update(first_name="Ann")
    settle_all(taken, Outcome(decision, "CODE", "text"))
    found = fresh(row)
    assert (found.sync_status, found.claim, found.attempts) == (Status.PENDING, None, 0)
    assert found.priority == 0  # somebody waits for the edit
    assert found.due_at <= db_now("default")
    assert found.synced_revision == (1 if decision is Decision.SYNCED else 0)
    assert heard == []
    assert taken.settled[Decision.SYNCED] == taken.settled[Decision.FAILED] == 0


@pytest.mark.parametrize(
    "forget",
    [
        lambda: Contact.objects.update(email=BOB),
        lambda: Contact.objects.sync_now(),
        lambda: Contact.objects.all().mark(**Contact.FORGOTTEN),
    ],
)
def test_where_what_was_sent_is_forgotten_the_row_is_only_released(forget):
    row = contact()
    taken = claim()
    forget()
    settle_all(taken, Outcome(Decision.SYNCED, remote_id="r1", created=True))
    found = fresh(row)
    assert (found.sync_status, found.claim) == (Status.PENDING, None)
    assert (found.synced_revision, found.remote_id, found.remote_created_at) == (0, "", None)
    assert found.due_at <= db_now("default")


def test_a_row_that_was_deleted_is_not_brought_back():
    row = contact()
    taken = claim()
    row.delete()
    assert settle_all(taken) == 0
    assert not Contact.objects.exists()


def test_success_writes_what_people_see_and_forgets_the_failures():
    row = contact()
    write(
        row,
        attempts=3,
        failing_since=db_now("default"),
        last_error_code="X",
        last_error_message="x",
    )
    call = ApiCall.objects.create(endpoint="e", started_at=db_now("default"))
    settle_all(
        claim(), Outcome(Decision.SYNCED, remote_id="r1", created=True, counts=True, call=call.pk)
    )
    found = fresh(row)
    assert (found.sync_status, found.due_at, found.claim) == (Status.SYNCED, None, None)
    assert (found.attempts, found.failing_since, found.priority) == (0, None, 1)
    assert (found.last_error_code, found.last_error_message) == ("", "")
    assert (found.remote_id, found.last_call) == ("r1", call)
    assert found.last_synced_at is not None
    assert found.remote_created_at is not None
    assert found.remote_is_known


def test_a_held_row_loses_no_try_and_keeps_its_priority():
    row = contact()
    settle_all(claim(), Outcome(Decision.HOLD))
    found = fresh(row)
    assert (found.sync_status, found.attempts, found.failing_since) == ("PENDING", 0, None)
    assert (found.priority, found.last_error_code) == (0, "")
    assert found.due_at <= db_now("default")


def test_the_rows_of_a_batch_come_back_together():
    Contact.objects.bulk_create([Contact(email=f"c{n}@x.example") for n in range(5)])
    settle_all(claim(), Outcome(Decision.RETRY, "X", "x"))
    assert Contact.unmarked.values("due_at").distinct().count() == 1


def test_a_retried_row_waits_longer_each_time_that_counts():
    row = contact()
    for attempts, full in ((0, 30), (1, 60), (2, 120)):
        write(row, due_at=db_now("default") - SECOND)
        settle_all(claim(), Outcome(Decision.RETRY, "X", "x", counts=True))
        found = fresh(row)
        wait = (found.due_at - db_now("default")).total_seconds()
        assert full / 2 - 1 < wait <= full
        assert found.attempts == attempts + 1


def said(change: SubscriptionChange) -> StatusChange:
    return StatusChange(change.address, change.status)


def test_a_superseded_row_is_done():
    arrived(contact(subscription_status="SUBSCRIBED"))
    taken = claim(model=SubscriptionChange, payload=said)
    settle_all(taken, Outcome(Decision.SUPERSEDED, "NOT_FOUND", "gone"))
    change = SubscriptionChange.objects.get()
    assert (change.sync_status, change.due_at, change.claim) == (Status.SUPERSEDED, None, None)
    assert change.last_error_code == "NOT_FOUND"


def test_what_the_vendor_says_is_cut_and_cleaned_for_every_database():
    row = contact()
    settle_all(claim(), Outcome(Decision.FAILED, "C" * 100, "a\0b\ud800"))
    found = fresh(row)
    assert found.last_error_code == "C" * 64
    assert found.last_error_message == "ab?"
    Contact.objects.update(first_name="Ann")
    settle_all(claim(), Outcome(Decision.SYNCED, remote_id="i" * 300))
    assert fresh(row).remote_id == "i" * 255


def test_rows_of_different_ends_are_settled_at_once():
    rows = [contact(f"c{n}@x.example") for n in range(4)]
    taken = claim()
    ends = [
        Outcome(Decision.SYNCED, remote_id="r0"),
        Outcome(Decision.FAILED, "A", "a"),
        Outcome(Decision.RETRY, "B", "b"),
        Outcome(Decision.HOLD),
    ]
    assert settle(taken, {row.pk: end for row, end in zip(rows, ends, strict=True)}) == 4
    assert [fresh(row).sync_status for row in rows] == ["SYNCED", "FAILED", "PENDING", "PENDING"]
    assert taken.settled[Decision.SYNCED] == taken.settled[Decision.FAILED] == 1


# Engagements


def arrived(row: Contact) -> Contact:
    write(row, sync_status=Status.SYNCED, synced_revision=1, due_at=None)
    return row


def claimed_engagement() -> tuple[Engagement, Claim]:
    row = engagement(arrived(contact()))
    return row, claim(model=Engagement, payload=engagement_payload)


def test_an_engagement_in_doubt_takes_a_definite_answer_that_comes_late(heard):
    row, taken = claimed_engagement()
    write(row, due_at=db_now("default") - SECOND)
    assert expire_engagements("default") == 1
    assert fresh(row).sync_status == Status.UNCONFIRMED
    settle_all(taken, Outcome(Decision.SYNCED, remote_id="e1"))
    found = fresh(row)
    assert (found.sync_status, found.claim, found.remote_id) == (Status.SYNCED, None, "e1")


@pytest.mark.parametrize(
    ("decide", "status"), [("resend", Status.PENDING), ("mark_as_sent", Status.SYNCED)]
)
def test_once_a_person_has_decided_a_late_answer_is_refused(decide, status):
    row, taken = claimed_engagement()
    settle_all(taken, Outcome(Decision.UNCONFIRMED, "NO_ANSWER", "x"))
    getattr(Engagement.objects, decide)()
    settle_all(taken, Outcome(Decision.FAILED, "X", "x"))
    assert fresh(row).sync_status == status


def test_an_engagement_whose_lease_runs_is_not_expired():
    claimed_engagement()
    assert expire_engagements("default") == 0


# Rows that somebody else has locked


def test_rows_that_are_locked_by_somebody_else_are_kept_and_settled_when_they_are_free(monkeypatch):
    first, second = contact(), contact(BOB)
    taken = claim()
    turns: list[int] = []

    def skip(rows, skip_locked):
        turns.append(1)
        return locking(rows.exclude(pk=second.pk) if len(turns) == 1 else rows)

    monkeypatch.setattr(settling, "locking", skip)
    assert settle_all(taken) == 1
    assert taken.unsettled == {second.pk: OK}
    assert [fresh(row).sync_status for row in (first, second)] == [Status.SYNCED, Status.SENDING]
    assert settle(taken, {}) == 1
    assert taken.unsettled == {}
    assert fresh(second).sync_status == Status.SYNCED


def test_the_first_answer_stands_for_a_row_that_was_locked(monkeypatch):
    row = contact()
    taken = claim()
    with monkeypatch.context() as patch:
        patch.setattr(settling, "locking", lambda rows, skip_locked: rows.none())
        assert settle_all(taken) == 0
    assert settle_all(taken, Outcome(Decision.RETRY, "BUG", counts=True)) == 1
    assert fresh(row).sync_status == Status.SYNCED


def test_what_another_claim_has_taken_over_is_no_longer_kept(monkeypatch):
    row = contact()
    taken = claim()
    write(row, claim=uuid.UUID(int=7))
    monkeypatch.setattr(settling, "locking", lambda rows, skip_locked: rows.none())
    assert settle_all(taken) == 0
    assert taken.unsettled == {}


# Few statements


def test_rows_that_settle_alike_are_one_statement_whatever_is_said_of_each():
    rows = [contact(f"c{n}@x.example") for n in range(6)]
    taken = claim()
    with CaptureQueriesContext(connection) as queries:
        settle(
            taken,
            {
                row.pk: Outcome(Decision.FAILED, f"CODE_{n % 2}", f"“{n}”\0")
                for n, row in enumerate(rows)
            },
        )
    assert sum(q["sql"].startswith("UPDATE") for q in queries) == 1
    for n, row in enumerate(rows):
        found = fresh(row)
        assert (found.sync_status, found.claim) == (Status.FAILED, None)
        assert (found.last_error_code, found.last_error_message) == (f"CODE_{n % 2}", f"“{n}”")


def test_a_batch_that_came_to_this_and_that_writes_each_row_once():
    rows = [contact(f"c{n}@x.example") for n in range(6)]
    taken = claim()
    made = [
        Outcome(Decision.SYNCED, remote_id="one"),
        Outcome(Decision.SYNCED, remote_id="two"),
        Outcome(Decision.RETRY, "A", "a", counts=True),
        Outcome(Decision.RETRY, "B", "b", counts=True),
        Outcome(Decision.HOLD),
        Outcome(Decision.HOLD, "C", "c"),
    ]
    with CaptureQueriesContext(connection) as queries:
        settle(taken, {row.pk: outcome for row, outcome in zip(rows, made, strict=True)})
    assert sum(q["sql"].startswith("UPDATE") for q in queries) == 4
    found = [fresh(row) for row in rows]
    assert [row.remote_id for row in found] == ["one", "two", "", "", "", ""]
    assert [row.last_error_code for row in found] == ["", "", "A", "B", "", "C"]
    assert [row.last_error_message for row in found] == ["", "", "a", "b", "", "c"]
    assert [row.attempts for row in found] == [0, 0, 1, 1, 0, 0]
    # They come again together.
    assert found[2].due_at == found[3].due_at
