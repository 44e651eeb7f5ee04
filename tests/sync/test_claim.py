"""Claiming: who may take what, and what is noted before it is sent."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conversion_sync.api import StatusChange
from conversion_sync.models import Contact, Status, SubscriptionChange
from conversion_sync.models.clock import db_now
from conversion_sync.records.last_sent import last_sent
from conversion_sync.records.mappers import push_of
from conversion_sync.sync.claim import claim_rows, claiming, renew
from conversion_sync.sync.readiness import waits_for
from tests.kit import ANN, BOB, HOUR, SECOND, TOKEN, contact, fresh, write
from tests.sync.kit import claim, settle_all

pytestmark = pytest.mark.django_db


def test_a_claim_stamps_what_will_be_sent_before_the_call():
    row = contact(first_name="Ann")
    taken = claim()
    found = fresh(row)
    assert taken.pks == [row.pk]
    assert (found.claim, found.sync_status) == (taken.token, Status.SENDING)
    assert (found.sent_revision, found.sent_key, found.synced_revision) == (1, ANN, 0)
    assert last_sent(found) == taken.payloads[row.pk] == push_of(row)
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
    write(urgent, priority=0, due_at=now - SECOND)
    assert claim(2).pks == [urgent.pk, old.pk]
    assert claim(2).pks == [new.pk]


def test_a_row_that_is_no_longer_ready_under_the_lock_is_left(monkeypatch):
    row = contact()

    def look_again(model, using):
        write(row, due_at=None)
        return waits_for(model, using)

    monkeypatch.setattr(claiming, "waits_for", look_again)
    assert claim().rows == []
    assert fresh(row).claim is None


def test_a_push_that_would_change_nothing_is_skipped_only_where_the_remote_is_known(heard):
    row = contact()
    settle_all(claim())
    Contact.objects.update(first_name="")
    again = claim()
    assert (again.rows, again.unchanged, again.taken) == ([], [row.pk], 1)
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
    write(row, synced_revision=1, sync_status=Status.SYNCED)
    taken = claim_rows(
        SubscriptionChange.unmarked.select_related("contact"),
        [change.pk],
        lambda change: StatusChange(change.address, change.status),
    )
    assert taken.payloads[change.pk] == StatusChange(BOB, "SUBSCRIBED")
    assert fresh(change).address == BOB


def test_claiming_takes_few_statements_however_many_rows(django_assert_max_num_queries):
    Contact.objects.bulk_create([Contact(email=f"c{n}@x.example") for n in range(200)])
    with django_assert_max_num_queries(16):
        taken = claim()
    assert len(taken.rows) == 200
    with django_assert_max_num_queries(16):
        settle_all(taken)


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


def test_rows_that_are_refused_each_for_a_reason_of_its_own_are_one_statement():
    def refuse(row):
        raise ValidationError(f"Not “{row.email}”.") if row.pk % 2 else KeyError(row.email)

    rows = [contact(f"c{n}@x.example") for n in range(6)]
    with CaptureQueriesContext(connection) as queries:
        refused = claim(payload=refuse)
    assert sum(q["sql"].startswith("UPDATE") for q in queries) == 1
    assert set(refused.refused) == {row.pk for row in rows}
    for row in rows:
        found, odd = fresh(row), row.pk % 2
        assert found.sync_status == Status.FAILED
        assert found.last_error_code == ("VALIDATION_ERROR" if odd else "UNSENDABLE")
        text = f"Not “{row.email}”." if odd else f"KeyError: {row.email!r}"
        assert found.last_error_message == refused.refused[row.pk] == text
