"""Saving, and all else that changes a row: what it marks, and what it leaves alone."""

from __future__ import annotations

import datetime
import json

import pytest
from django.core import serializers
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, NotSupportedError, models, transaction

from conversion_sync import signals
from conversion_sync.models import (
    Company,
    Contact,
    Deletion,
    Engagement,
    Record,
    Status,
    SubscriptionChange,
    SyncedModel,
    SyncedQuerySet,
    attributed,
)
from conversion_sync.models.attribution import attribution, in_bulk
from conversion_sync.models.clock import db_now
from conversion_sync.models.state import BULK, PERSON
from tests.kit import (
    ANN,
    BOB,
    MINUTE,
    TOKEN,
    claimed,
    company,
    contact,
    engagement,
    fresh,
    log,
    push,
    roll_back,
    sent,
    synced_contact,
    write,
)

pytestmark = pytest.mark.django_db


def settled(row: SyncedModel) -> None:
    write(row, sync_status=Status.SYNCED, due_at=None, priority=BULK)


def is_due(row: SyncedModel) -> bool:
    rows: SyncedQuerySet = type(row)._default_manager.all()  # type: ignore[assignment]
    return rows.due().filter(pk=row.pk, sync_status=Status.PENDING).exists()


# New rows


def test_a_new_row_is_due_at_once_and_a_person_waits_for_it():
    row = contact()
    assert is_due(row)
    assert (row.sync_status, row.revision, row.priority) == (Status.PENDING, 1, PERSON)


def test_a_new_row_in_bulk_waits_behind_those_of_persons():
    with attributed(bulk=True):
        assert contact().priority == BULK


def test_the_state_that_a_new_row_is_given_by_its_maker_counts_for_nothing():
    row = contact(sync_status=Status.SYNCED, due_at=None, revision=9, claim=TOKEN, remote_id="r")
    assert is_due(row)
    assert (row.revision, row.claim, row.remote_id) == (1, None, "")


def test_a_copy_begins_its_own_life(conversion):
    original = synced_contact(first_name="Ann", subscription_status="SUBSCRIBED")
    copy = fresh(original)
    copy.pk, copy.email = None, BOB
    copy.save()
    assert copy.pk != original.pk
    assert (copy.key, copy.sent_key, copy.remote_id, copy.revision) == (BOB, None, "", 1)
    assert (copy.synced_revision, copy.remote_created_at) == (0, None)
    push()
    assert conversion.contacts[BOB]["variables"] == {"first_name": "Ann"}
    assert conversion.contacts[BOB]["subscriptionStatus"] == "SUBSCRIBED"
    assert conversion.contacts[ANN]["id"] == fresh(original).remote_id


def test_a_copy_of_a_row_that_was_just_saved_has_a_state_of_its_own():
    row = contact()
    row.pk, row.email = None, BOB
    row._state.adding = True
    row.save()
    assert Contact.objects.count() == 2
    assert is_due(row)


def test_a_copy_under_the_same_key_is_refused():
    row = contact()
    row.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()
    assert Contact.objects.count() == 1


def test_an_instance_made_by_hand_over_an_existing_row_keeps_its_state():
    row = synced = contact(first_name="Ann")
    settled(synced)
    write(row, sent_key=ANN, remote_id="r1", created_at=db_now("default"))
    Contact(pk=row.pk, email=ANN, first_name="Anna", created_at=row.created_at).save()
    found = fresh(row)
    assert (found.first_name, found.remote_id, found.sent_key) == ("Anna", "r1", ANN)
    assert is_due(row)


# Changes


@pytest.mark.parametrize("update_fields", [None, ["first_name"]])
def test_a_save_makes_the_row_due_in_the_same_statement(update_fields):
    row = contact()
    settled(row)
    row = fresh(row)
    row.first_name = "Ann"
    row.save(update_fields=update_fields)
    assert is_due(row)
    assert (fresh(row).revision, fresh(row).priority) == (2, PERSON)


def test_a_save_of_chosen_fields_leaves_the_others_as_the_database_has_them():
    row = contact(first_name="Ann", last_name="Lee")
    Contact.objects.filter(pk=row.pk).update(last_name="Park")
    row.first_name = "Anna"
    row.save(update_fields=["first_name"])
    assert (fresh(row).first_name, fresh(row).last_name) == ("Anna", "Park")


def test_a_save_of_no_field_does_nothing(django_assert_num_queries):
    row = contact()
    with django_assert_num_queries(0):
        row.save(update_fields=[])


def test_a_state_column_is_not_written_even_when_it_is_asked_for():
    row = contact()
    row.sync_status, row.last_error_code = Status.SYNCED, "MINE"
    row.save(update_fields=["sync_status", "last_error_code"])
    assert (fresh(row).sync_status, fresh(row).last_error_code) == (Status.PENDING, "")


def test_a_change_forgives_earlier_failures():
    row = contact()
    write(row, sync_status=Status.FAILED, attempts=5, failing_since=db_now("default"), due_at=None)
    row.first_name = "Ann"
    row.save()
    assert is_due(row)
    assert (fresh(row).attempts, fresh(row).failing_since) == (0, None)


def test_a_bulk_change_never_demotes_what_a_person_waits_for():
    row = contact()
    Contact.objects.update(first_name="Ann")
    with in_bulk():
        row.save()
    assert fresh(row).priority == PERSON


def test_a_change_of_a_claimed_row_leaves_the_claim_and_its_lease():
    row = contact()
    claimed(row)
    before = fresh(row)
    row.first_name = "Ann"
    row.save()
    after = fresh(row)
    assert (after.claim, after.due_at, after.sync_status) == (
        before.claim,
        before.due_at,
        Status.SENDING,
    )
    assert after.revision == before.revision + 1


def test_a_stale_instance_undoes_nothing_of_a_claim_and_its_edit_arrives(conversion, in_flight):
    row = contact(first_name="Ann")
    stale = fresh(row)
    stale.first_name = "Anna"
    in_flight(stale.save)
    push()
    found = fresh(row)
    assert [body["contacts"][0]["variables"]["first_name"] for body in sent(conversion)] == [
        "Ann",
        "Anna",
    ]
    assert conversion.contacts[ANN]["variables"] == {"first_name": "Anna"}
    assert (found.sync_status, found.claim, found.due_at) == (Status.SYNCED, None, None)
    assert found.synced_revision == found.sent_revision == found.revision == 2


def test_an_instance_loaded_before_a_claim_and_saved_after_its_end_forgets_nothing(conversion):
    stale = fresh(contact(first_name="Ann"))
    push()
    stale.title = "Boss"
    stale.save()
    assert fresh(stale).sent_key == ANN
    assert fresh(stale).remote_id == conversion.contacts[ANN]["id"]
    push()
    assert conversion.contacts[ANN]["variables"] == {"first_name": "Ann", "title": "Boss"}


def test_state_is_read_anew_after_a_save_in_one_query(django_assert_num_queries):
    row = contact()
    write(row, sync_status=Status.SENDING, attempts=3)
    with django_assert_num_queries(1):
        assert (row.sync_status, row.attempts, row.remote_id) == (Status.SENDING, 3, "")


def test_a_row_that_was_loaded_in_part_is_saved_in_part():
    row = contact(first_name="Ann", last_name="Lee")
    settled(row)
    part = Contact.objects.only("first_name").get(pk=row.pk)
    part.first_name = "Anna"
    part.save()
    assert (fresh(row).first_name, fresh(row).last_name, fresh(row).email) == ("Anna", "Lee", ANN)
    assert is_due(row)


# Deleted rows


@pytest.mark.parametrize("update_fields", [None, ["first_name"]])
def test_a_save_does_not_bring_a_deleted_row_back(update_fields):
    row = contact()
    stale = fresh(row)
    row.delete()
    with pytest.raises(DatabaseError), transaction.atomic():
        stale.save(update_fields=update_fields)
    assert not Contact.objects.exists()


def test_a_row_that_is_deleted_twice_leaves_one_deletion(conversion):
    row = synced_contact()
    stale = fresh(row)
    row.delete()
    stale.delete()
    assert Deletion.objects.count() == 1


def test_a_row_deleted_in_flight_is_brought_back_neither_here_nor_there(conversion, in_flight):
    row = contact()
    in_flight(Contact.objects.get(pk=row.pk).delete)
    push()
    assert not Contact.objects.exists()
    deletion = Deletion.objects.get()
    assert fresh(deletion).due_at > db_now("default") + 0.8 * MINUTE  # when the lease is over
    write(deletion, due_at=db_now("default"))
    push()
    assert conversion.contacts == {}


# Many rows


def test_created_in_bulk_the_rows_are_due_behind_those_of_persons():
    rows = Contact.objects.bulk_create([Contact(email=ANN), Contact(email=" BOB@x.example ")])
    assert [row.key for row in rows] == [ANN, BOB]
    assert all(map(is_due, rows))
    assert {row.priority for row in rows} == {BULK}


@pytest.mark.parametrize(
    "how",
    [
        {"ignore_conflicts": True},
        {"update_conflicts": True, "update_fields": ["email"], "unique_fields": ["key"]},
    ],
)
def test_created_in_bulk_conflicts_are_neither_ignored_nor_updated(how):
    with pytest.raises(NotSupportedError, match="look the keys up first"):
        Contact.objects.bulk_create([Contact(email=ANN)], **how)


def test_a_bulk_update_marks_all_its_rows():
    rows = [contact(), contact(BOB)]
    Contact.unmarked.update(sync_status=Status.SYNCED, due_at=None)
    for row in rows:
        row.first_name = "X"
    Contact.objects.bulk_update(rows, ["first_name"])
    assert all(map(is_due, rows))
    assert [fresh(row).revision for row in rows] == [2, 2]


def test_an_update_marks_its_rows_and_no_others():
    ann, bob = contact(), contact(BOB)
    Contact.unmarked.update(sync_status=Status.SYNCED, due_at=None)
    assert Contact.objects.filter(pk=ann.pk).update(first_name="Ann") == 1
    assert is_due(ann)
    assert not is_due(bob)


def test_an_update_of_keys_moves_each_row_to_its_new_key(conversion):
    synced_contact()
    Contact.objects.update(email="ANNA@x.example")
    row = Contact.objects.get()
    assert (row.email, row.key, row.sent_key) == ("ANNA@x.example", "anna@x.example", None)
    assert Deletion.objects.get().key == ANN
    push()
    assert list(conversion.contacts) == ["anna@x.example"]


def test_an_update_in_another_spelling_of_the_key_is_no_change_of_it(conversion):
    row = synced_contact()
    Contact.objects.update(email=ANN.upper())
    assert fresh(row).sent_key == ANN
    assert not Deletion.objects.exists()


def test_a_bulk_update_of_keys_moves_each_row_to_its_own(conversion):
    ann, bob = synced_contact(), synced_contact(BOB)
    ann.email, bob.email = "a@x.example", "b@x.example"
    Contact.objects.bulk_update([ann, bob], ["email"])
    assert [fresh(row).key for row in (ann, bob)] == ["a@x.example", "b@x.example"]
    assert set(Deletion.objects.values_list("key", "successor")) == {(ANN, ann.pk), (BOB, bob.pk)}


def test_an_update_of_the_subscription_enters_each_change_in_the_log():
    contact(subscription_status="SUBSCRIBED")
    contact(BOB)
    Contact.objects.update(subscription_status="UNSUBSCRIBED")
    assert log()[-1] == log(BOB)[-1] == ("UNSUBSCRIBED", "PENDING")
    change = SubscriptionChange.objects.filter(address=ANN).latest("pk")
    assert (change.previous_status, change.priority) == ("SUBSCRIBED", PERSON)
    Contact.objects.update(subscription_status="UNSUBSCRIBED")
    assert len(log()) == 2


def test_an_update_of_the_subscription_alone_pushes_no_contact(conversion):
    row = synced_contact()
    Contact.objects.update(subscription_status="SUBSCRIBED")
    assert fresh(row).sync_status == Status.SYNCED
    push()
    assert len(sent(conversion)) == 1
    assert conversion.contacts[ANN]["subscriptionStatus"] == "SUBSCRIBED"


def test_a_save_of_the_subscription_alone_pushes_no_contact(conversion):
    row = synced_contact()
    row.subscription_status = "SUBSCRIBED"
    row.save(update_fields=["subscription_status"])
    assert fresh(row).sync_status == Status.SYNCED
    push()
    assert len(sent(conversion)) == 1
    assert conversion.contacts[ANN]["subscriptionStatus"] == "SUBSCRIBED"


def test_rows_are_locked_in_the_order_of_their_primary_keys():
    rows = [contact(email) for email in ("b@x.example", "c@x.example", "a@x.example")]
    locked = Contact.objects.order_by("-email")._locked()
    assert [row["pk"] for row in locked] == [row.pk for row in rows]


def test_a_failed_update_of_keys_changes_nothing(conversion):
    synced_contact()
    synced_contact(BOB)
    with pytest.raises(IntegrityError), transaction.atomic():
        Contact.objects.update(email="same@x.example")
    assert {row.key for row in Contact.objects.all()} == {ANN, BOB}
    assert not Deletion.objects.exists()


def test_an_update_of_nothing_asks_for_nothing():
    row = contact()
    settled(row)
    Contact.objects.filter(pk=row.pk).update(updated_at=db_now("default"))
    assert fresh(row).sync_status == Status.SYNCED


def test_a_deletion_of_many_leaves_a_deletion_of_each_that_may_be_there(conversion):
    synced_contact()
    contact(BOB)
    assert Contact.objects.all().delete() == (2, {"conversion_sync.Contact": 2})
    assert list(Deletion.objects.values_list("key", flat=True)) == [ANN]
    push()
    assert conversion.contacts == {}


def test_a_slice_is_not_deleted():
    contact()
    with pytest.raises(TypeError):
        Contact.objects.all()[:1].delete()


def test_a_deletion_of_many_takes_their_engagements_along():
    row = contact()
    engagement(row)
    counts = Contact.objects.all().delete()[1]
    assert counts == {"conversion_sync.Contact": 1, "conversion_sync.Engagement": 1}


def test_get_or_create_and_update_or_create_mark_as_saves_do():
    row, created = Contact.objects.get_or_create(key=ANN, defaults={"email": ANN})
    assert created
    settled(row)
    Contact.objects.update_or_create(key=ANN, defaults={"subscription_status": "UNSUBSCRIBED"})
    Contact.objects.update_or_create(key=ANN, defaults={"first_name": "Ann"})
    assert is_due(row)
    assert log() == [("UNSUBSCRIBED", "PENDING")]


@pytest.mark.parametrize(
    "change",
    [
        lambda: SubscriptionChange.objects.update(reason="erased", requested_by="", source=""),
        lambda: Engagement.objects.update(source_key="k1"),
        lambda: Deletion.objects.update(requested_by=""),
        lambda: SubscriptionChange.objects.get().save(),
        lambda: Deletion.objects.get().save(),
    ],
)
def test_a_note_on_an_event_does_not_send_it_again(conversion, change):
    row = synced_contact(subscription_status="SUBSCRIBED")
    engagement(row)
    synced_contact(BOB).delete()
    push()
    calls = len(conversion.calls)
    change()
    push()
    assert len(conversion.calls) == calls


# Fixtures


def test_a_fixture_restores_rows_as_they_were_and_sends_what_was_due(conversion, tmp_path):
    synced_contact(first_name="Ann")
    contact(BOB, first_name="Bob")
    path = tmp_path / "rows.json"
    call_command("dumpdata", "conversion_sync.contact", output=str(path))
    # times lose their microseconds on the way
    names = [name for name in Contact.STATE if not name.endswith(("_at", "_since"))]
    before = list(Contact.unmarked.order_by("pk").values("pk", "key", "first_name", *names))
    Contact.unmarked.all().delete()
    call_command("loaddata", str(path), verbosity=0)
    after = list(Contact.unmarked.order_by("pk").values("pk", "key", "first_name", *names))
    assert after == before
    calls = len(conversion.calls)
    push()
    assert [body["contacts"][0]["email"] for body in sent(conversion)[1:]] == [BOB]
    assert len(conversion.calls) == calls + 1


def test_a_fixture_over_an_existing_row_is_taken_as_it_is():
    row = contact(first_name="Ann")
    text = serializers.serialize("json", [fresh(row)])
    [data] = json.loads(text)
    data["fields"]["first_name"] = "Anna"
    for loaded in serializers.deserialize("json", json.dumps([data])):
        loaded.save()
    assert (fresh(row).first_name, fresh(row).revision) == ("Anna", 1)


def test_a_fixture_by_hand_needs_no_state(conversion):
    now = "2026-01-01T00:00:00Z"
    rows = [
        {
            "model": "conversion_sync.contact",
            "pk": pk,
            "fields": {"email": email, "created_at": now, "updated_at": now},
        }
        for pk, email in ((1, " ANN@x.example"), (2, BOB))
    ]
    for loaded in serializers.deserialize("json", json.dumps(rows)):
        loaded.save()
    assert set(Contact.objects.values_list("key", flat=True)) == {ANN, BOB}
    push()
    assert set(conversion.contacts) == {ANN, BOB}


# Who, and when it is said


def test_who_changes_rows_is_known_within_the_block_only():
    with attributed(requested_by="Eve", source="admin", reason="She asked."), in_bulk():
        by = attribution()
    assert (by.requested_by, by.source, by.reason, by.bulk) == ("Eve", "admin", "She asked.", True)
    assert attribution().requested_by == ""


@pytest.fixture
def heard():
    """The databases of which ``changed`` was heard."""
    found: list[str] = []

    def hear(using, **kwargs):
        found.append(using)

    signals.changed.connect(hear)
    yield found
    signals.changed.disconnect(hear)


@pytest.mark.django_db(transaction=True)
def test_a_change_is_heard_once_a_transaction_after_its_commit(heard):
    with transaction.atomic():
        row = contact()
        row.save()
        Contact.objects.update(first_name="Ann")
        Company.objects.bulk_create([Company(external_id="C1")])
        assert heard == []
    assert heard == ["default"]
    row.delete()
    assert heard == ["default"] * 2


@pytest.mark.django_db(transaction=True)
def test_a_change_that_is_rolled_back_is_not_heard_and_the_next_one_is(heard):
    roll_back(contact)
    assert heard == []
    contact()
    assert heard == ["default"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first_fails", [True, False])
def test_a_savepoint_that_is_rolled_back_takes_no_other_change_with_it(heard, first_fails):
    with transaction.atomic():
        if first_fails:
            roll_back(lambda: contact(BOB))
        contact()
        if not first_fails:
            roll_back(lambda: contact(BOB))
    assert heard == ["default"]
    assert list(Contact.objects.values_list("key", flat=True)) == [ANN]


@pytest.mark.django_db(transaction=True)
def test_who_hears_badly_breaks_no_save():
    def fail(**kwargs):
        raise RuntimeError

    signals.changed.connect(fail)
    try:
        contact()
    finally:
        signals.changed.disconnect(fail)
    assert Contact.objects.count() == 1


# The states, by name


def test_rows_are_found_by_their_state():
    rows = {status: contact(f"{status.lower()}@x.example") for status in Status.values}
    for status, row in rows.items():
        write(row, sync_status=status)
    found = {
        name: {row.sync_status for row in getattr(Contact.objects, name)()}
        for name in ("waiting", "failed", "unconfirmed", "unfinished")
    }
    assert found == {
        "waiting": {"PENDING", "SENDING"},
        "failed": {"FAILED"},
        "unconfirmed": {"UNCONFIRMED"},
        "unfinished": {"PENDING", "SENDING", "FAILED", "UNCONFIRMED"},
    }


def test_sync_now_sends_a_record_that_has_not_changed(conversion):
    row = synced_contact()
    assert Contact.objects.sync_now() == 1
    assert fresh(row).priority == PERSON
    assert not fresh(row).remote_is_known
    push()
    assert len(sent(conversion)) == 2
    assert fresh(row).remote_is_known


def test_sync_now_in_flight_sends_the_record_again(conversion, in_flight):
    row = contact()
    in_flight(lambda: Contact.objects.sync_now())
    push()
    assert len(sent(conversion)) == 2
    assert fresh(row).sync_status == Status.SYNCED


def test_sync_now_before_the_first_push_is_a_first_push(conversion):
    row = contact()
    Contact.objects.sync_now()
    assert fresh(row).sent_revision is None
    push()
    assert fresh(row).sync_status == Status.SYNCED


def test_sync_now_of_events_leaves_those_alone_that_happened(conversion):
    row = synced_contact(subscription_status="SUBSCRIBED")
    assert SubscriptionChange.objects.sync_now() == 0
    failed = engagement(row)
    write(failed, sync_status=Status.FAILED, due_at=None)
    doubtful = engagement(row)
    write(doubtful, sync_status=Status.UNCONFIRMED, due_at=None, claim=TOKEN)
    assert Engagement.objects.sync_now() == 1
    assert is_due(failed)
    assert fresh(doubtful).sync_status == Status.UNCONFIRMED


def test_retry_failed_takes_the_failed_ones_only():
    failed, waiting = contact(), contact(BOB)
    write(failed, sync_status=Status.FAILED, due_at=None, priority=BULK)
    write(waiting, due_at=db_now("default") + datetime.timedelta(hours=1))
    assert Contact.objects.retry_failed() == 1
    assert is_due(failed)
    assert not is_due(waiting)


def test_the_unmarked_manager_marks_nothing():
    row = contact()
    settled(row)
    Contact.unmarked.filter(pk=row.pk).update(first_name="Ann")
    assert fresh(row).sync_status == Status.SYNCED
    assert isinstance(Contact.unmarked, models.Manager)


def test_rows_of_a_company_are_due_too():
    row = company()
    settled(row)
    row.industry = "Toys"
    row.save()
    assert is_due(row)


def test_a_record_has_to_say_what_its_key_is():
    with pytest.raises(NotImplementedError):
        Record._moved("default", [])


def test_sync_now_of_many_in_bulk_is_no_bulk_of_persons(conversion):
    row = synced_contact()
    with in_bulk():
        Contact.objects.sync_now()
    assert fresh(row).priority == BULK
    assert is_due(row)
