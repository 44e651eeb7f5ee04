"""What an instance remembers of its row follows the transaction, savepoints too."""

from __future__ import annotations

import contextlib
import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from conversion_sync.models import Company, Contact, Engagement, Status
from conversion_sync.models.memory import MEMORIES
from tests.kit import ANN, BOB, begin_savepoint, contact, fresh, log, push, roll_back, write

pytestmark = pytest.mark.django_db(transaction=True)


def outermost(act: Callable[[], object]) -> None:
    roll_back(act)


def inner(act: Callable[[], object]) -> None:
    with transaction.atomic():
        Company.objects.create(external_id="beside")
        roll_back(act)
    assert Company.objects.filter(external_id="beside").exists()


def innermost(act: Callable[[], object]) -> None:
    with transaction.atomic(), transaction.atomic():
        roll_back(lambda: inside(act))


def outer_after_inner_was_kept(act: Callable[[], object]) -> None:
    roll_back(lambda: inside(lambda: inside(act)))


def inside(act: Callable[[], object]) -> None:
    with transaction.atomic():
        act()


def by_hand(act: Callable[[], object]) -> None:
    """Without ``atomic``, as Django allows too (with SQLite it begins no transaction)."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite's savepoints, outside of a transaction, commit.")
    transaction.set_autocommit(False)
    try:
        act()
        transaction.rollback()
    finally:
        transaction.set_autocommit(True)


def marked(act: Callable[[], object]) -> None:
    with transaction.atomic():
        act()
        transaction.set_rollback(True)


def to_a_savepoint(act: Callable[[], object]) -> None:
    with transaction.atomic():
        back_to_here(act)


def to_the_inner_savepoint(act: Callable[[], object]) -> None:
    with transaction.atomic():
        connection.savepoint()
        back_to_here(act)


def to_the_outer_savepoint_after_the_inner_was_kept(act: Callable[[], object]) -> None:
    with transaction.atomic():
        back_to_here(lambda: kept(act))


def to_a_savepoint_after_an_atomic_block(act: Callable[[], object]) -> None:
    with transaction.atomic():
        back_to_here(lambda: inside(act))


def by_a_statement(act: Callable[[], object]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("savepoint mine")
        act()
        cursor.execute("rollback to savepoint mine;")


def back_to_here(act: Callable[[], object]) -> None:
    savepoint = begin_savepoint()
    act()
    transaction.savepoint_rollback(savepoint)


def kept(act: Callable[[], object]) -> None:
    savepoint = begin_savepoint()
    act()
    transaction.savepoint_commit(savepoint)


each_rollback = pytest.mark.parametrize(
    "rolled_back",
    [
        outermost,
        inner,
        innermost,
        outer_after_inner_was_kept,
        by_hand,
        marked,
        to_a_savepoint,
        to_the_inner_savepoint,
        to_the_outer_savepoint_after_the_inner_was_kept,
        to_a_savepoint_after_an_atomic_block,
        by_a_statement,
    ],
)


def new_contact() -> Contact:
    return Contact(email=ANN, first_name="Ann", subscription_status="UNSUBSCRIBED")


NEW: list[Callable[[], Any]] = [
    new_contact,
    lambda: Company(external_id="C1", company_name="Acme"),
    lambda: Engagement(contact=contact(BOB), name="Call", description="We talked."),
]


# New rows


def is_new(row: Any) -> bool:
    return row.pk is None and bool(row._state.adding)


@each_rollback
@pytest.mark.parametrize("make", NEW)
@pytest.mark.parametrize(
    "save",
    [
        lambda row: row.save(),
        lambda row: type(row).objects.bulk_create([row]),
        lambda row: [row.save(), row.save()],
    ],
    ids=["save", "bulk_create", "saved twice"],
)
def test_a_new_row_that_was_rolled_back_is_new_again(make, save, rolled_back):
    row = make()
    before = (row.pk, row._state.adding, row._state.db, row.created_at)
    rolled_back(lambda: save(row))
    assert (row.pk, row._state.adding, row._state.db, row.created_at) == before
    save(row)
    assert fresh(row).pk == row.pk
    assert not row._state.adding
    assert row.sync_status == Status.PENDING
    if isinstance(row, Contact):
        assert log() == [("UNSUBSCRIBED", "PENDING")]
        assert fresh(row).subscription_status == "UNSUBSCRIBED"


def test_a_new_row_that_was_rolled_back_does_not_write_over_the_one_that_has_its_number():
    """SQLite gives the number to the next row."""
    row = new_contact()
    roll_back(row.save)
    other = contact(BOB, first_name="Bob")
    row.save()
    assert fresh(other).first_name == "Bob"
    assert Contact.objects.count() == 2


def test_rows_of_a_bulk_that_failed_are_all_new_again():
    contact(BOB)
    rows = [new_contact(), Contact(email=BOB)]
    with pytest.raises(IntegrityError):
        Contact.objects.bulk_create(rows)
    assert all(map(is_new, rows))
    Contact.objects.bulk_create(rows[:1])
    assert log() == [("UNSUBSCRIBED", "PENDING")]


def test_a_save_that_failed_leaves_the_instance_as_it_was():
    contact()
    row = new_contact()
    with pytest.raises(IntegrityError):
        row.save()
    assert is_new(row)
    row.email = BOB
    row.save()
    assert log(BOB) == [("UNSUBSCRIBED", "PENDING")]


def test_a_number_that_was_chosen_stays_chosen():
    row = Contact(pk=4711, email=ANN)
    roll_back(lambda: row.save(force_insert=True))
    assert (row.pk, row._state.adding) == (4711, True)
    row.save()
    assert fresh(row).email == ANN


def test_a_new_row_is_retried_within_the_transaction_that_goes_on():
    row = new_contact()
    with transaction.atomic():
        roll_back(row.save)
        row.save()
    assert fresh(row).email == ANN
    assert log() == [("UNSUBSCRIBED", "PENDING")]


# Changes


def by_assigning(row: Contact) -> None:
    row.subscription_status = "UNSUBSCRIBED"


@each_rollback
@pytest.mark.parametrize("how", [{}, {"update_fields": ["subscription_status"]}], ids=str)
def test_an_opt_out_that_was_rolled_back_is_entered_by_the_next_save(how, rolled_back):
    row = contact(subscription_status="SUBSCRIBED")
    row = fresh(row)
    by_assigning(row)
    rolled_back(lambda: row.save(**how))
    assert [status for status, _ in log()] == ["SUBSCRIBED"]
    row.save(**how)
    assert [status for status, _ in log()] == ["SUBSCRIBED", "UNSUBSCRIBED"]
    assert fresh(row).subscription_status == "UNSUBSCRIBED"


def test_what_was_assigned_between_two_saves_is_not_forgotten_with_the_first():
    row = fresh(contact())

    def act() -> None:
        row.save()
        by_assigning(row)
        row.save()

    roll_back(act)
    row.save()
    assert log() == [("UNSUBSCRIBED", "PENDING")]


def test_what_was_assigned_since_the_save_counts_and_not_what_was_before():
    row = fresh(contact())

    def act() -> None:
        row.subscription_status = "SUBSCRIBED"
        row.save()
        by_assigning(row)

    roll_back(act)
    row.save()
    assert log() == [("UNSUBSCRIBED", "PENDING")]


def test_what_was_read_in_the_transaction_is_not_what_was_assigned():
    row = fresh(contact())

    def act() -> None:
        by_assigning(row)
        row.save()
        Contact.objects.update(subscription_status="SUBSCRIBED")
        row.refresh_from_db()

    roll_back(act)
    row.save()
    assert log() == [("UNSUBSCRIBED", "PENDING")]


def test_only_what_the_inner_savepoint_wrote_is_undone():
    row = fresh(contact())
    with transaction.atomic():
        by_assigning(row)
        row.save()
        roll_back(row.save)
        row.save()
    assert log() == [("UNSUBSCRIBED", "PENDING")]
    Contact.objects.update(subscription_status="SUBSCRIBED")
    row.save()
    assert [status for status, _ in log()] == ["UNSUBSCRIBED", "SUBSCRIBED"]


def test_what_is_committed_is_not_assigned_any_more():
    row = fresh(contact())
    by_assigning(row)
    with transaction.atomic():
        row.save()
    Contact.objects.update(subscription_status="SUBSCRIBED")
    row.save()
    assert [status for status, _ in log()] == ["UNSUBSCRIBED", "SUBSCRIBED"]


@each_rollback
def test_the_state_is_that_of_before(rolled_back):
    row = contact(first_name="Ann")
    write(row, sync_status=Status.SYNCED, due_at=None)
    row = fresh(row)
    before = {name: row.__dict__[name] for name in Contact.STATE}

    def act() -> None:
        row.first_name = "Anna"
        row.save()
        assert (row.sync_status, row.revision) == (Status.PENDING, 2)

    rolled_back(act)
    assert {name: getattr(row, name) for name in Contact.STATE} == before
    assert row.first_name == "Anna"
    row.save()
    assert (fresh(row).first_name, fresh(row).revision) == ("Anna", 2)


@each_rollback
def test_a_changed_key_that_was_rolled_back_is_changed_by_the_next_save(conversion, rolled_back):
    row = contact()
    push()
    row.email = BOB
    rolled_back(row.save)
    row.save()
    push()
    assert list(conversion.contacts) == [BOB]


# Deletions


@each_rollback
def test_a_deletion_that_was_rolled_back_leaves_an_instance_that_is_saved(rolled_back):
    row = contact(first_name="Ann")
    pk = row.pk
    rolled_back(row.delete)
    assert row.pk == pk
    row.first_name = "Anna"
    row.save()
    assert Contact.objects.get().first_name == "Anna"
    assert Contact.objects.get().pk == pk


def test_saved_and_deleted_and_rolled_back_it_is_new_again():
    row = new_contact()

    def act() -> None:
        row.save()
        row.delete()

    roll_back(act)
    assert is_new(row)
    row.save()
    assert log() == [("UNSUBSCRIBED", "PENDING")]


def test_a_deletion_that_is_committed_leaves_an_instance_without_a_number():
    row = contact()
    with transaction.atomic():
        row.delete()
    assert row.pk is None


def test_a_copy_that_was_begun_in_the_transaction_is_still_one():
    original = contact()

    def act() -> None:
        original.save()
        original.pk, original.email, original._state.adding = None, BOB, True

    roll_back(act)
    original.save()
    assert set(Contact.objects.values_list("key", flat=True)) == {ANN, BOB}


# Savepoints by hand


def test_it_is_retried_after_a_savepoint_in_the_transaction_that_goes_on():
    row, other = new_contact(), fresh(contact(BOB))

    def act() -> None:
        row.save()
        other.save()

    with transaction.atomic():
        by_assigning(other)
        back_to_here(act)
        act()
    assert fresh(row).email == ANN
    assert log() == log(BOB) == [("UNSUBSCRIBED", "PENDING")]


def test_what_was_saved_before_the_savepoint_stays_saved():
    row = new_contact()
    with transaction.atomic():
        row.save()
        back_to_here(row.save)
        kept(row.save)
        row.first_name = "Anna"
        row.save()
    assert Contact.objects.get().first_name == "Anna"
    assert log() == [("UNSUBSCRIBED", "PENDING")]


def test_a_savepoint_that_is_rolled_back_twice_undoes_what_came_since():
    row = new_contact()
    with transaction.atomic():
        savepoint = begin_savepoint()
        for _ in range(2):
            row.save()
            transaction.savepoint_rollback(savepoint)
        assert is_new(row)
        row.save()
    assert log() == [("UNSUBSCRIBED", "PENDING")]


def test_savepoints_of_one_name_are_told_apart():
    with transaction.atomic(), connection.cursor() as cursor:
        first, second = Company(external_id="C1"), Company(external_id="C2")
        cursor.execute("SAVEPOINT mine")
        first.save()
        cursor.execute("SAVEPOINT mine")
        second.save()
        cursor.execute("ROLLBACK TO mine")
        assert (is_new(first), is_new(second)) == (False, True)
    assert Company.objects.get().external_id == "C1"


def test_the_number_of_a_row_that_was_rolled_back_may_be_another_ones():
    row = new_contact()
    with transaction.atomic():
        back_to_here(row.save)
        other = contact(BOB, first_name="Bob")
        row.save()
    assert fresh(other).first_name == "Bob"
    assert set(Contact.objects.values_list("key", flat=True)) == {ANN, BOB}


def test_a_row_that_was_deleted_in_the_transaction_is_not_brought_back():
    row = contact()
    with transaction.atomic():
        Contact.objects.all().delete()
        with pytest.raises(DatabaseError):
            row.save()
    assert not Contact.objects.exists()


def test_a_further_save_asks_the_database_no_more_than_the_first(django_assert_num_queries):
    row = contact()
    with CaptureQueriesContext(connection) as alone:
        row.save()
    with transaction.atomic():
        with CaptureQueriesContext(connection) as first:
            row.save()
        with django_assert_num_queries(len(first)):
            row.save()
    assert len(first) <= len(alone)


def test_who_listens_to_statements_for_a_while_is_left_alone():
    heard = list[str]()

    def listen(execute, sql, *more):
        heard.append(sql)
        return execute(sql, *more)

    connection.close()
    connection.execute_wrappers.clear()
    with connection.execute_wrapper(listen):
        contact()
    assert listen not in connection.execute_wrappers
    before = len(heard)
    contact(BOB)
    assert len(heard) == before


# Instances


def test_nothing_is_left_of_what_is_committed():
    row = new_contact()
    with transaction.atomic():
        row.save()
        with transaction.atomic():
            row.save()
    row.save()
    assert row.__dict__[MEMORIES] == []


def test_what_a_callback_of_the_commit_spoils_is_committed_all_the_same():
    """Django then drops the callbacks that come after it, as it does in a rollback."""

    def fail() -> None:
        raise ZeroDivisionError

    def act() -> None:
        transaction.on_commit(fail)
        row.save()

    row = new_contact()
    with pytest.raises(ZeroDivisionError):
        inside(act)
    gc.collect()
    assert fresh(row).email == ANN
    row.first_name = "Anna"
    row.save()
    assert Contact.objects.get().first_name == "Anna"
    assert log() == [("UNSUBSCRIBED", "PENDING")]


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda row: pickle.loads(pickle.dumps(row))],  # noqa: S301  # its own
    ids=["copy", "deepcopy", "pickle"],
)
def test_an_instance_can_be_copied_at_any_time(copied):
    row = new_contact()
    copied(row)
    with transaction.atomic():
        row.save()
        copied(row)
        row.subscription_status = "SUBSCRIBED"
        twin = copied(row)
    twin.save()
    assert [status for status, _ in log()] == ["UNSUBSCRIBED", "SUBSCRIBED"]
    assert copied(row) == row


def test_an_instance_that_is_gone_is_not_kept_alive():
    def act() -> None:
        row = new_contact()
        row.save()
        gone = weakref.ref(row)
        del row
        gc.collect()
        assert gone() is None

    roll_back(act)


def test_two_instances_of_a_row_remember_each_for_itself():
    row = contact()
    one, other = fresh(row), fresh(row)
    by_assigning(one)

    def act() -> None:
        one.save()
        other.save()

    roll_back(act)
    other.save()
    assert log() == []
    one.save()
    assert log() == [("UNSUBSCRIBED", "PENDING")]


def test_engagements_and_companies_are_retried_with_their_contact(conversion):
    def book() -> None:
        acme.save()
        ann.company = acme
        ann.save()
        call.contact = ann
        call.save()

    acme, ann = Company(external_id="C1", company_name="Acme"), new_contact()
    call = Engagement(name="Call", description="We talked.")
    roll_back(book)
    book()
    push()
    assert conversion.contacts[ANN]["variables"]["company_name"] == "Acme"
    assert len(conversion.engagements) == 1


def test_connections_that_close_roll_back():
    row = new_contact()
    with contextlib.suppress(Exception), transaction.atomic():
        row.save()
        connection.close()
        raise ZeroDivisionError
    assert row._state.adding
    row.save()
    assert fresh(row).email == ANN
