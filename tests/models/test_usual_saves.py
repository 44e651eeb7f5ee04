"""A usual save is one statement; whatever entails more is made under the row's lock."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.signals import post_save, pre_save
from django.test.utils import CaptureQueriesContext

from conversion_sync import signals
from conversion_sync.models import (
    Company,
    Contact,
    Deletion,
    ImmutableEngagement,
    Status,
    SubscriptionChange,
    SyncedModel,
    Wakeup,
    attributed,
)
from conversion_sync.models.announcement import quiet
from conversion_sync.models.clock import db_now
from conversion_sync.models.state import BULK, PERSON
from conversion_sync.queues import django_q
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
    write,
)

pytestmark = pytest.mark.django_db(transaction=True)

UPDATE, LOCK, WAKE = "UPDATE contact", "SELECT contact", "wake-up"


@pytest.fixture(autouse=True)
def _queue(conversion, monkeypatch):
    """A site that sends, and has before; its queue's own statements are not counted."""
    Wakeup.load("default")
    monkeypatch.setattr(django_q, "enqueue", lambda using="default": True)


def statements(act: Callable[[], object]) -> list[str]:
    """The verb and the table of each statement; all that ask for a drain are one."""
    with CaptureQueriesContext(connection) as captured:
        act()
    found = [_in_short(query["sql"]) for query in captured]
    return [each for number, each in enumerate(found) if each != WAKE or found[number - 1] != WAKE]


def _in_short(sql: str) -> str:
    if "conversion_sync_wakeup" in sql:
        return WAKE
    verb = sql.split()[0].upper()
    table = re.search(r"conversion_sync_(\w+)", sql)
    return f"{verb} {table[1]}" if table else verb


def edited(row: Any, **columns: Any) -> Any:
    """The row as another request loads it, with these columns changed."""
    row = fresh(row)
    for name, value in columns.items():
        setattr(row, name, value)
    return row


@contextmanager
def listening(
    signal: Any, receiver: Callable[..., object], sender: Any = Contact
) -> Iterator[None]:
    signal.connect(receiver, sender=sender)
    try:
        yield
    finally:
        signal.disconnect(receiver, sender=sender)


# How many there are


@pytest.mark.parametrize("asked", [False, True])
def test_a_save_is_one_update_and_one_request_for_a_drain(asked):
    row = edited(contact(), title="Chief")
    if not asked:
        Wakeup.write("default", requested_until=None)
    with CaptureQueriesContext(connection) as captured:
        assert statements(row.save) == [UPDATE, WAKE]
    assert len(captured) == 2
    assert fresh(row).title == "Chief"
    assert fresh(row).revision == 2


def test_a_request_for_a_drain_needs_no_row_to_be_there():
    row = edited(contact(), title="Chief")
    Wakeup.objects.all().delete()
    row.save()
    assert Wakeup.objects.filter(requested_until__gt=db_now("default")).exists()


def test_a_hundred_saves_in_a_transaction_ask_once():
    rows = [contact(f"c{number}@x.example") for number in range(100)]
    rows = [edited(row, title="Chief") for row in rows]

    def save_all() -> None:
        with transaction.atomic():
            for row in rows:
                row.save()

    assert statements(save_all) == ["BEGIN", *[UPDATE] * 100, "COMMIT", WAKE]
    assert Contact.objects.filter(title="Chief", revision=2).count() == 100


@pytest.mark.parametrize(
    ("make", "columns"),
    [
        (company, {"industry": "Tools"}),
        (company, {"company_name": ""}),
        (lambda: engagement(contact()), {"description": "Well"}),
        (lambda: engagement(contact(), source_key="order-1"), {"description": "Well"}),
        (contact, {"email": ANN.upper()}),
        (contact, {"custom_variables": {"plan": "pro", "größe": [1, None, "é"]}}),
    ],
)
def test_so_is_whatever_entails_no_more_than_a_push(make, columns):
    row = edited(make(), **columns)
    assert statements(row.save) == [f"UPDATE {row._meta.model_name}", WAKE]
    again = fresh(row)
    assert {name: getattr(again, name) for name in columns} == columns
    assert (again.revision, again.priority, again.sync_status) == (2, PERSON, Status.PENDING)


def test_a_save_of_few_fields_is_one_update_of_them():
    row = contact(title="Chief", first_name="Ann")
    stale = edited(row, title="Boss")
    edited(row, first_name="Anna").save()
    assert statements(lambda: stale.save(update_fields=["title"])) == [UPDATE, WAKE]
    assert (fresh(row).title, fresh(row).first_name) == ("Boss", "Anna")


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize(
    ("make", "columns"),
    [
        (
            Contact,
            {"email": " Ann@X.example ", "title": "Zoë", "custom_variables": {"a": [1, None]}},
        ),
        (Company, {"external_id": "C1", "company_name": "Acme", "annual_revenue": 2**40}),
    ],
)
def test_creating_is_one_insert_and_one_request_for_a_drain(make, columns, bulk):
    row = make(**columns)
    with attributed(bulk=bulk):
        found = statements(row.save)
    assert found == [f"INSERT {row._meta.model_name}", WAKE]
    again = make.objects.get()
    assert {name: getattr(again, name) for name in columns} == {
        name: value.strip() if isinstance(value, str) else value for name, value in columns.items()
    }
    assert (again.pk, again.key, again.revision) == (row.pk, row.key, 1)
    assert (again.sync_status, again.priority) == (Status.PENDING, BULK if bulk else PERSON)
    now = db_now("default")
    assert now - MINUTE < again.due_at <= now
    assert not row._state.adding
    assert row.revision == 1


def test_creating_with_create_is_no_more():
    found = statements(lambda: Contact.objects.create(email=ANN))
    assert found == ["INSERT contact", WAKE]


@pytest.mark.skipif(connection.vendor != "mysql", reason="the others lock nothing at any level")
def test_where_an_insert_would_lock_what_it_looks_at_it_looks_at_nothing(monkeypatch):
    monkeypatch.setattr(connection, "isolation_level", "repeatable read")
    with CaptureQueriesContext(connection) as captured:
        contact()
    inserts = [each["sql"] for each in captured if each["sql"].startswith("INSERT")]
    assert inserts
    assert not any("SELECT" in each for each in inserts)


def test_in_a_transaction_a_row_is_created_in_a_savepoint():
    contact()
    with transaction.atomic():
        with pytest.raises(IntegrityError):
            Contact(email=ANN.upper()).save()
        contact(BOB)
    assert Contact.objects.count() == 2


def test_a_new_row_whose_key_is_taken_stays_new():
    contact()
    row = Contact(email=ANN, title="Chief")
    with pytest.raises(IntegrityError):
        row.save()
    assert row._state.adding
    assert [row.pk, row.updated_at, row.sync_status] == [None, None, Status.PENDING]
    row.email = BOB
    row.save()
    assert fresh(row).title == "Chief"


def test_a_new_contact_shows_the_opt_out_that_stands_for_its_address():
    SubscriptionChange.opt_out("default", [ANN])
    row = Contact(email=ANN.upper())
    row.save()
    assert (row.subscription_status, fresh(row).subscription_status) == ("UNSUBSCRIBED",) * 2


def test_a_new_contact_with_a_subscription_enters_it():
    contact(subscription_status="SUBSCRIBED")
    assert log() == [("SUBSCRIBED", "PENDING")]


def test_a_new_contact_of_whom_nothing_is_known_has_no_subscription_to_be_read():
    row = Contact(email=ANN)
    row.save()
    assert statements(lambda: row.subscription_status) == []
    assert row.subscription_status == ""


def test_a_new_row_with_what_cannot_be_stored_says_so():
    row = Contact(email=ANN, title="a\0b")
    row.save()
    assert (fresh(row).title, fresh(row).sync_status) == ("a\ufffdb", Status.FAILED)


def test_a_receiver_that_fails_undoes_the_creation():
    def refuse(**kwargs: Any) -> None:
        raise ValueError("No.")

    with listening(post_save, refuse), pytest.raises(ValueError, match=r"No\."):
        contact()
    assert not Contact.objects.exists()


# What is made under the lock


def is_locked(act: Callable[[], object]) -> bool:
    return LOCK in statements(act)


def test_a_row_whose_key_was_changed_meanwhile():
    row = contact()
    stale = edited(row, title="Chief")
    edited(row, email=BOB).save()
    assert is_locked(stale.save)
    assert (fresh(row).email, fresh(row).key) == (ANN, ANN)


def test_a_save_of_other_fields_leaves_a_key_that_was_changed_meanwhile():
    row = contact()
    stale = edited(row, title="Chief")
    edited(row, email=BOB).save()
    assert is_locked(lambda: stale.save(update_fields=["title"]))
    assert (fresh(row).email, fresh(row).key, fresh(row).title) == (BOB, BOB, "Chief")


def test_a_spelling_that_raw_sql_has_changed_is_seen_by_a_save_of_other_fields():
    row = contact()
    stale = edited(row, title="Chief")
    Contact.unmarked.update(email=BOB)
    stale.save(update_fields=["title"])
    assert fresh(row).key == BOB


def test_a_row_that_has_no_key():
    row = contact()
    write(row, key=None)
    assert is_locked(edited(row, title="Chief").save)
    assert fresh(row).key == ANN


@pytest.mark.parametrize("name", ["ACME", "Acme ", "Ácme", "Other"])
def test_a_company_whose_name_is_another_in_the_database(name):
    row = company(company_name="Acme")
    stale = fresh(row)
    write(row, company_name=name)
    stale.save()
    assert fresh(row).company_name == "Acme"
    assert fresh(row).renamed_revision == fresh(row).revision


def test_an_assigned_subscription():
    row = contact()
    assert is_locked(edited(row, subscription_status="UNSUBSCRIBED").save)
    assert log() == [("UNSUBSCRIBED", "PENDING")]


def test_a_deletion_in_the_background_gets_the_priority_of_the_person():
    row = contact()
    with attributed(bulk=True):
        deletion = Deletion.objects.create(kind="contact", key=ANN)
    edited(row, title="Chief").save()
    assert fresh(deletion).priority == PERSON


@pytest.mark.parametrize("kind", ["contact", "company"])
def test_one_in_bulk_leaves_the_deletions_as_they_are(kind):
    row: Any = contact() if kind == "contact" else company(ANN)
    write(row, priority=BULK)
    with attributed(bulk=True):
        deletion = Deletion.objects.create(kind=kind, key=ANN)
        changed = edited(row, custom_variables={"a": 1})
        assert statements(changed.save) == [f"UPDATE {kind}", WAKE]
    assert (fresh(deletion).priority, fresh(row).priority) == (BULK, BULK)


@pytest.mark.parametrize("kind", ["contact", "company"])
def test_a_new_row_prioritizes_the_deletion_of_its_key(kind):
    with attributed(bulk=True):
        deletion = Deletion.objects.create(kind=kind, key=ANN)
    contact() if kind == "contact" else company(ANN)
    assert fresh(deletion).priority == PERSON


@pytest.mark.parametrize(
    "columns",
    [
        {"sync_status": Status.SYNCED, "due_at": None},
        {"claim": TOKEN, "sync_status": Status.SENDING},
        {"sync_status": Status.UNCONFIRMED},
    ],
)
def test_an_engagement_that_was_sent_is_refused(columns):
    row = engagement(contact())
    changed = edited(row, description="Other")
    write(row, **columns)
    with pytest.raises(ImmutableEngagement):
        changed.save()
    assert fresh(row).description != "Other"


def test_a_source_key_that_is_taken_leaves_the_transaction_as_it_was():
    engagement(contact(), source_key="order-1")
    row = engagement(contact(BOB), source_key="order-2")
    changed = edited(row, source_key="order-1")
    with transaction.atomic():
        with pytest.raises(IntegrityError):
            changed.save()
        edited(row, description="Well").save()
    assert (fresh(row).source_key, fresh(row).description) == ("order-2", "Well")


def test_a_row_that_was_deleted_is_not_brought_back():
    row = contact()
    stale = edited(row, title="Chief")
    fresh(row).delete()
    with pytest.raises(DatabaseError):
        stale.save()
    assert not Contact.objects.exists()


def test_an_expression():
    row = company(annual_revenue=1)
    changed = edited(row, annual_revenue=F("annual_revenue") + 1)
    changed.save()
    assert fresh(row).annual_revenue == 2


def test_what_cannot_be_stored():
    row = edited(contact(), title="a\0b")
    row.save()
    assert (fresh(row).title, fresh(row).sync_status) == ("a\ufffdb", Status.FAILED)


# What it leaves alone


def test_a_claimed_row_stays_claimed():
    row = contact()
    claimed(row, sync_status=Status.SENDING)
    before = fresh(row)
    assert statements(edited(row, title="Chief").save) == [UPDATE, WAKE]
    after = fresh(row)
    assert (after.claim, after.due_at, after.sync_status) == (TOKEN, before.due_at, Status.SENDING)
    assert after.revision == before.revision + 1


def test_a_transaction_goes_on_after_a_save_that_was_not_usual():
    row, other = contact(), contact(BOB)
    stale = edited(row, title="Chief")
    write(row, key=None)
    with transaction.atomic():
        stale.save()
        edited(other, title="Boss").save()
    assert (fresh(row).title, fresh(other).title) == ("Chief", "Boss")


def test_after_a_rollback_the_instance_is_as_before():
    row = edited(contact(), title="Chief")
    updated = row.updated_at
    with transaction.atomic():
        row.save()
        transaction.set_rollback(True)
    assert row.updated_at == updated
    assert row.revision == 1
    assert not row.get_deferred_fields()


def test_after_a_failure_under_the_lock_the_instance_is_as_before():
    contact(BOB)
    row = edited(contact(), email=BOB)
    updated = row.updated_at
    with pytest.raises(IntegrityError):
        row.save()
    assert (row.updated_at, row.key, row.email) == (updated, ANN, BOB)


def test_a_note_on_what_happened_once_sends_it_no_second_time():
    contact(subscription_status="SUBSCRIBED")
    change = SubscriptionChange.objects.get()
    write(change, sync_status=Status.SYNCED, due_at=None)
    edited(change, reason="By phone").save()
    assert (fresh(change).sync_status, fresh(change).reason) == (Status.SYNCED, "By phone")


def test_after_a_failure_of_the_database_the_instance_is_as_before():
    row = edited(contact(), title="Chief")
    updated = row.updated_at

    def fail(execute: Any, sql: str, *args: Any) -> Any:
        if "conversion_sync_contact" in sql:
            raise DatabaseError("The disk is full.")
        return execute(sql, *args)

    with connection.execute_wrapper(fail), pytest.raises(DatabaseError, match="disk"):
        row.save()
    assert row.updated_at == updated
    assert row.revision == 1


def test_the_site_is_told_after_the_commit_whether_in_a_transaction_or_not():
    told: list[bool] = []

    def hear(using: str, **kwargs: Any) -> None:
        told.append(connection.in_atomic_block)

    row = contact()
    signals.changed.connect(hear)
    try:
        edited(row, title="Chief").save()
        with transaction.atomic():
            edited(row, title="Boss").save()
            edited(row, title="Head").save()
            assert told == [False]
    finally:
        signals.changed.disconnect(hear)
    assert told == [False, False]


def test_where_no_drain_is_wanted_none_is_asked_for():
    row = edited(contact(), title="Chief")
    token = quiet.set(True)
    try:
        assert statements(row.save) == [UPDATE]
        assert WAKE not in statements(lambda: contact(BOB))
    finally:
        quiet.reset(token)


# A site that listens


def test_receivers_are_called_once_each_in_the_transaction_of_the_save():
    row = edited(contact(), title="Chief")
    heard: list[tuple[str, bool, Any]] = []

    def before(instance: Any, update_fields: Any, **kwargs: Any) -> None:
        heard.append(("before", connection.in_atomic_block, update_fields))

    def after(instance: Any, created: bool, update_fields: Any, **kwargs: Any) -> None:
        heard.append(("after", connection.in_atomic_block, update_fields))
        assert not created

    with listening(pre_save, before), listening(post_save, after):
        row.save()
    assert heard == [("before", True, None), ("after", True, None)]


@pytest.mark.parametrize("signal", [pre_save, post_save])
@pytest.mark.parametrize("sender", [Contact, None])
def test_a_receiver_that_fails_undoes_the_save(signal, sender):
    row = edited(contact(), title="Chief")

    def refuse(instance: Any, **kwargs: Any) -> None:
        if isinstance(instance, Contact):
            SubscriptionChange.opt_out("default", [BOB])
            raise ValueError("No.")

    with listening(signal, refuse, sender=sender), pytest.raises(ValueError, match=r"No\."):
        row.save()
    assert fresh(row).title == ""
    assert log(BOB) == []
    assert row.revision == 1


def test_a_receiver_may_change_the_key():
    row = edited(contact(), title="Chief")

    def change(instance: SyncedModel, **kwargs: Any) -> None:
        instance.email = BOB  # type: ignore[attr-defined]  # a contact

    with listening(pre_save, change):
        row.save()
    assert (fresh(row).email, fresh(row).key) == (BOB, BOB)
