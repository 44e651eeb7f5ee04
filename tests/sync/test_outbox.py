"""Claiming and settling: who may write what, and when."""

from __future__ import annotations

import datetime

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, InterfaceError, OperationalError, connections
from django.db.models import QuerySet

from conversion_sync import signals
from conversion_sync.api import CallRecord
from conversion_sync.models import (
    ApiCall,
    Contact,
    Engagement,
    Status,
    SubscriptionChange,
)
from conversion_sync.models.base import locking
from conversion_sync.models.fields import db_now
from conversion_sync.sync import outbox
from conversion_sync.sync.outbox import (
    Claim,
    briefly,
    claim_rows,
    expire_engagements,
    log_calls,
    persistently,
    renew,
    settle,
)
from conversion_sync.sync.outcomes import Decision, Outcome
from conversion_sync.sync.payloads import contact_payload, engagement_payload
from tests.kit import (
    ANN,
    BOB,
    HOUR,
    SECOND,
    TOKEN,
    contact,
    engagement,
    fresh,
    write,
)

pytestmark = pytest.mark.django_db

OK = Outcome(Decision.SYNCED)


def claim(limit: int = 200, model=Contact, payload=contact_payload) -> Claim:
    return claim_rows(model.unmarked.all(), limit, payload)


def settle_all(claim: Claim, outcome: Outcome = OK) -> int:
    return settle(claim, dict.fromkeys(claim.pks, outcome))


@pytest.fixture
def heard():
    """What was heard of rows that arrived or failed."""
    found: list[tuple[str, list[int]]] = []

    def synced(pks, **kwargs):
        found.append(("synced", pks))

    def failed(pks, **kwargs):
        found.append(("failed", pks))

    signals.row_synced.connect(synced)
    signals.row_failed.connect(failed)
    yield found
    signals.row_synced.disconnect(synced)
    signals.row_failed.disconnect(failed)


# Claiming


def test_a_claim_stamps_what_will_be_sent_before_the_call():
    row = contact(first_name="Ann")
    taken = claim()
    found = fresh(row)
    assert taken.pks == [row.pk]
    assert (found.claim, found.sync_status) == (taken.token, Status.SENDING)
    assert (found.sent_revision, found.sent_key, found.synced_revision) == (1, ANN, 0)
    assert found.sent_payload == taken.payloads[row.pk] == contact_payload(row)
    assert 55 < (found.due_at - db_now("default")).total_seconds() <= 60
    assert found.last_attempt_at is not None


def test_what_is_claimed_is_not_claimed_again():
    contact()
    assert len(claim().rows) == 1
    assert claim().rows == []


def test_what_is_not_due_is_not_claimed():
    row = contact()
    write(row, due_at=db_now("default") + SECOND * 5)
    assert claim().rows == []


def test_an_expired_claim_is_taken_over_and_is_a_try_like_any_other():
    row = contact()
    first = claim()
    write(row, due_at=db_now("default") - SECOND)
    second = claim()
    found = fresh(row)
    assert found.claim == second.token != first.token
    assert (found.attempts, found.failing_since is None) == (1, False)


def test_claims_go_by_priority_then_by_time():
    old, new, urgent = contact("o@x.example"), contact("n@x.example"), contact("u@x.example")
    now = db_now("default")
    write(old, priority=1, due_at=now - 2 * HOUR)
    write(new, priority=1, due_at=now - HOUR)
    write(urgent, priority=0, due_at=now)
    assert claim(2).pks == [urgent.pk, old.pk]
    assert claim(2).pks == [new.pk]


def test_a_row_that_is_no_longer_ready_under_the_lock_is_left(monkeypatch):
    row = contact()
    real = outbox._lock

    def lock(*args):
        pks = real(*args)
        write(row, due_at=None)
        return pks

    monkeypatch.setattr(outbox, "_lock", lock)
    assert claim().rows == []
    assert fresh(row).claim is None


def test_a_push_that_would_change_nothing_is_skipped_only_where_the_remote_is_known(heard):
    row = contact()
    settle_all(claim())
    Contact.objects.update(first_name="")
    again = claim()
    assert (again.rows, again.skipped, again.taken) == ([], 1, 1)
    found = fresh(row)
    assert (found.sync_status, found.due_at) == (Status.SYNCED, None)
    assert found.synced_revision == found.sent_revision == found.revision == 2
    write(row, synced_revision=1)
    Contact.objects.update(first_name="")
    assert claim().pks == [row.pk]


def test_a_row_that_can_not_be_sent_fails_and_is_heard_of(heard):
    def refuse(row):
        raise ValidationError(["One.", "Two."])

    row = contact()
    refused = claim(payload=refuse)
    assert (refused.rows, refused.refused, refused.taken) == ([], {row.pk: "One. Two."}, 1)
    found = fresh(row)
    assert (found.sync_status, found.claim, found.due_at) == (Status.FAILED, None, None)
    assert (found.last_error_code, found.last_error_message) == ("VALIDATION_ERROR", "One. Two.")
    assert heard == [("failed", [row.pk])]


def test_a_change_is_claimed_for_the_key_that_its_contact_has_now():
    row = contact(subscription_status="SUBSCRIBED")
    change = SubscriptionChange.objects.get()
    Contact.unmarked.filter(pk=row.pk).update(key=BOB)
    taken = claim_rows(
        SubscriptionChange.unmarked.select_related("contact"),
        5,
        lambda change: {"email": change.address},
    )
    assert taken.payloads[change.pk] == {"email": BOB}
    assert fresh(change).address == BOB


def test_claiming_takes_few_statements_however_many_rows(django_assert_max_num_queries):
    Contact.objects.bulk_create([Contact(email=f"c{n}@x.example") for n in range(200)])
    with django_assert_max_num_queries(16):
        taken = claim()
    assert len(taken.rows) == 200
    with django_assert_max_num_queries(16):
        settle_all(taken)


# Settling


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


@pytest.mark.parametrize("decision", set(Decision) - {Decision.UNCONFIRMED}, ids=str)
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


def test_a_superseded_row_is_done():
    contact(subscription_status="SUBSCRIBED")
    taken = claim(model=SubscriptionChange, payload=lambda change: {"email": change.address})
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


def claimed_engagement() -> tuple[Engagement, Claim]:
    row = engagement(contact())
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


# Renewing


def test_a_renewed_claim_has_a_new_lease():
    row = contact()
    taken = claim()
    write(row, due_at=db_now("default") + SECOND)
    assert renew(taken, taken.pks) == {row.pk}
    assert fresh(row).due_at > db_now("default") + 50 * SECOND


@pytest.mark.parametrize(
    "lose",
    [
        lambda: Contact.objects.update(email=BOB),
        lambda: Contact.objects.sync_now(),
        lambda: Contact.unmarked.update(claim=TOKEN),
        lambda: Contact.unmarked.all().delete(),
    ],
)
def test_what_is_no_longer_held_as_it_was_stamped_is_not_renewed(lose):
    contact()
    taken = claim()
    lose()
    due = set(Contact.unmarked.values_list("due_at", flat=True))
    assert renew(taken, taken.pks) == set()
    assert set(Contact.unmarked.values_list("due_at", flat=True)) == due


def test_an_edit_alone_does_not_keep_a_claim_from_being_renewed():
    row = contact()
    taken = claim()
    Contact.objects.update(first_name="Ann")
    assert renew(taken, taken.pks) == {row.pk}


# Rows that somebody else has locked


def test_rows_that_are_locked_by_somebody_else_are_settled_when_they_are_free(monkeypatch):
    first, second = contact(), contact(BOB)
    taken = claim()
    turns: list[int] = []

    def skip(rows, skip_locked):
        turns.append(1)
        return locking(rows.exclude(pk=second.pk) if len(turns) == 1 else rows)

    monkeypatch.setattr(outbox, "locking", skip)
    assert settle_all(taken) == 2
    assert {fresh(row).sync_status for row in (first, second)} == {Status.SYNCED}


def test_rows_that_stay_locked_are_given_up_when_the_lease_is_over(monkeypatch, settings):
    settings.CONVERSION_SYNC = {"LEASE": 0.05}
    row = contact()
    taken = claim()
    monkeypatch.setattr(outbox, "locking", lambda rows, skip_locked: rows.none())
    assert settle_all(taken) == 0
    assert fresh(row).sync_status == Status.SENDING


# A database that fails


class Failing:
    """A transaction that fails so many times, and then goes through."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.left, self.calls = error, times, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self.error
        return "done"


@pytest.mark.parametrize("error", [OperationalError("locked"), InterfaceError("closed")])
@pytest.mark.parametrize("again", [persistently, briefly])
def test_a_transaction_is_run_again_when_the_database_fails(monkeypatch, again, error):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    transaction = Failing(error, 2)
    transaction.__wrapped__ = None  # type: ignore[attr-defined]
    transaction.__name__ = "f"  # type: ignore[attr-defined]
    assert again(transaction)() == "done"
    assert transaction.calls == 3


def test_a_database_that_stays_away_is_said_in_the_end(monkeypatch, settings):
    settings.CONVERSION_SYNC = {"LEASE": 0.2}
    transaction = Failing(OperationalError("gone"), 10**6)
    with pytest.raises(OperationalError, match="gone"):
        persistently(transaction)()
    assert 2 <= transaction.calls <= 5


def test_another_error_is_not_tried_again():
    transaction = Failing(DatabaseError("syntax"), 1)
    with pytest.raises(DatabaseError):
        persistently(transaction)()
    assert transaction.calls == 1


def test_an_unusable_connection_is_closed_outside_of_transactions_only(monkeypatch):
    closed, database = [], connections["default"]
    monkeypatch.setattr(database, "close_if_unusable_or_obsolete", lambda: closed.append(1))
    outbox._reconnect()
    assert closed == []
    monkeypatch.setattr(database, "in_atomic_block", False)
    outbox._reconnect()
    assert closed == [1]


# The call log


def record(**columns: object) -> CallRecord:
    given = {
        "endpoint": "POST /contacts/batch",
        "rows": 3,
        "started_at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC).timestamp(),
        "duration": 0.25,
        "status": 500,
        "error_code": "INTERNAL_ERROR",
        "error_message": "a\0b",
        **columns,
    }
    return CallRecord(**given)  # type: ignore[arg-type]


def test_the_log_says_what_was_called_and_how_it_ended():
    lines = log_calls("default", [record(), None, record(endpoint="GET /x")])
    first = ApiCall.objects.get(pk=lines[0] or 0)
    assert lines[1] is None
    assert ApiCall.objects.get(pk=lines[2] or 0).endpoint == "GET /x"
    assert (first.rows, first.duration_ms, first.http_status) == (3, 250, 500)
    assert (first.error_code, first.error_message) == ("INTERNAL_ERROR", "ab")
    assert first.started_at == datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def test_a_log_that_fails_costs_nothing_but_its_lines(monkeypatch):
    def fail(*args, **kwargs):
        raise DatabaseError("full")

    monkeypatch.setattr(QuerySet, "bulk_create", fail)
    assert log_calls("default", [record(), None]) == [None, None]
