"""A company's new name reaches all its contacts, by a step of the drain."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from conversion_sync.models import Company, Contact, Status
from conversion_sync.models.clock import db_now
from conversion_sync.sync import renames
from conversion_sync.sync.claim import claiming, stamping
from conversion_sync.sync.drain import anything_ready
from conversion_sync.sync.renames import Renames
from tests.kit import ANN, BOB, claimed, company, contact, fresh, push, roll_back, sent, write

pytestmark = pytest.mark.django_db

LONG_ENOUGH = 20.0


@pytest.fixture
def staff(conversion) -> Contact:
    """Ann, of Acme; Bob is of no company. Both have arrived."""
    contact(BOB)
    row = contact(company=company(company_name="Acme"))
    push()
    found: Contact = fresh(row)
    return found


def rename(name: str = "Apex") -> None:
    Company.objects.update(company_name=name)


def name_of(box: Any, email: str = ANN) -> Any:
    return box.contacts[email]["variables"].get("company_name")


def mark() -> Any:
    return Company.objects.get().renamed_revision


def finish() -> None:
    passes = Renames("default")
    while passes.step():
        pass


# What leaves a mark


def by_save() -> None:
    row = Company.objects.get()
    row.company_name = "Apex"
    row.save()


def by_save_of_a_field() -> None:
    row = Company.objects.get()
    row.company_name = "Apex"
    row.save(update_fields=["company_name"])


def by_bulk_update() -> None:
    row = Company.objects.get()
    row.company_name = "Apex"
    Company.objects.bulk_update([row], ["company_name", "industry"])


def by_update_or_create() -> None:
    Company.objects.update_or_create(external_id="C1", defaults={"company_name": "Apex"})


@pytest.mark.parametrize(
    "write_name", [by_save, by_save_of_a_field, rename, by_bulk_update, by_update_or_create]
)
def test_a_new_name_writes_no_contact_and_reaches_them_all(conversion, staff, write_name):
    with CaptureQueriesContext(connection) as queries:
        write_name()
    assert not [q for q in queries if Contact._meta.db_table in q["sql"]]
    assert fresh(staff).revision == staff.revision
    assert mark() is not None
    assert anything_ready()
    push()
    assert name_of(conversion) == "Apex"
    assert mark() is None
    assert not anything_ready()
    # Bob was not sent again.
    assert [len(body["contacts"]) for body in sent(conversion)] == [2, 1]


@pytest.mark.parametrize(
    "change",
    [
        lambda: Company.objects.update(company_name="Acme"),
        lambda: Company.objects.update(industry="Toys"),
        lambda: Company.objects.get().save(),
        lambda: roll_back(rename),
        lambda: Company.objects.create(external_id="C2", company_name="Other"),
    ],
)
def test_what_changes_no_name_leaves_no_mark(staff, change):
    change()
    assert not Company.objects.exclude(renamed_revision=None).exists()


def test_a_stale_instance_takes_no_mark_off(conversion, staff):
    stale = Company.objects.get()
    rename()
    stale.industry = "Toys"
    stale.save(update_fields=["industry"])
    assert mark() is not None


# Spreading it


def test_it_is_spread_in_chunks_and_goes_on_where_it_was(conversion, monkeypatch):
    monkeypatch.setattr(renames, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(renames, "WINDOW", 4)
    acme = company(company_name="Acme")
    Contact.objects.bulk_create([Contact(email=f"c{n}@x.example", company=acme) for n in range(9)])
    push()
    rename()
    pending = Contact.objects.filter(sync_status=Status.PENDING)
    passes, seen = Renames("default"), []
    clock = iter(range(1000))
    monkeypatch.setattr(renames, "STEP_SECONDS", 1.5)
    monkeypatch.setattr(renames, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    while passes.step():
        seen.append(pending.count())
    assert seen == [2, 4, 6, 8, 9, 9]
    assert mark() is None


def test_who_carries_the_name_already_is_left_alone(conversion, staff):
    rename()
    contact("new@x.example", company=staff.company)
    write(staff, sent_payload={"email": ANN, "variables": {"company_name": "Apex"}})
    before = {row.pk: row.revision for row in Contact.objects.all()}
    finish()
    assert mark() is None
    assert {row.pk: row.revision for row in Contact.objects.all()} == before


def test_a_name_that_is_changed_back_sends_nothing(conversion, staff):
    rename()
    rename("Acme")
    calls = len(sent(conversion))
    push()
    assert mark() is None
    assert len(sent(conversion)) == calls


def test_a_name_that_is_taken_away_is_taken_away_from_the_contacts(conversion, staff):
    rename("")
    push()
    assert name_of(conversion) is None


def test_who_is_in_flight_with_the_old_name_is_sent_again(conversion, staff, in_flight):
    staff.title = "Chief"
    staff.save()
    in_flight(rename)
    push()
    assert name_of(conversion) == "Apex"


def test_who_is_in_flight_and_was_marked_is_marked_no_further(conversion, staff):
    rename()
    claimed(staff, sent_payload=staff.sent_payload)
    finish()
    marked = fresh(staff)
    assert (marked.revision, marked.sync_status) == (staff.revision + 1, Status.SENDING)
    Company.unmarked.update(renamed_revision=1)
    finish()
    assert fresh(staff).revision == marked.revision


def test_a_contact_that_failed_is_tried_with_the_new_name(conversion, staff):
    write(staff, sync_status=Status.FAILED, due_at=None)
    rename()
    push()
    assert name_of(conversion) == "Apex"


def test_a_name_that_comes_meanwhile_keeps_its_mark(conversion, staff, monkeypatch):
    rename()
    real = renames._mark

    def meanwhile(*args: Any) -> Any:
        monkeypatch.setattr(renames, "_mark", real)
        found = real(*args)
        rename("Atlas")
        return found

    monkeypatch.setattr(renames, "_mark", meanwhile)
    passes = Renames("default")
    passes.step()
    assert name_of(conversion) == "Acme"
    push()
    assert mark() is None
    assert name_of(conversion) == "Atlas"


def test_a_company_that_is_deleted_before_its_mark_is_spread(conversion, staff):
    rename()
    Company.objects.all().delete()
    push()
    assert name_of(conversion) is None


def test_many_companies_are_dealt_with_together(conversion, django_assert_max_num_queries):
    rows = Company.objects.bulk_create(
        [Company(external_id=f"C{n}", company_name="Old") for n in range(50)]
    )
    Contact.objects.bulk_create(
        [Contact(email=f"c{n}@x.example", company=row) for n, row in enumerate(rows)]
    )
    push()
    rename("New")
    with django_assert_max_num_queries(20):
        finish()
    push()
    assert {name_of(conversion, email) for email in conversion.contacts} == {"New"}


# With others at work


class Other:
    """Another session, in a thread with a connection of its own."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self._threads: list[threading.Thread] = []

    def start(self, act: Callable[[], object]) -> threading.Thread:
        def run() -> None:
            try:
                act()
            except BaseException as error:
                self.errors.append(error)
            finally:
                connections.close_all()

        thread = threading.Thread(target=run)
        self._threads.append(thread)
        thread.start()
        return thread

    @contextmanager
    def uncommitted(self, act: Callable[[], object]) -> Iterator[None]:
        """Have something done in a transaction that is committed when the block ends."""
        done, commit = threading.Event(), threading.Event()

        def session() -> None:
            with transaction.atomic():
                act()
                done.set()
                assert commit.wait(LONG_ENOUGH)

        thread = self.start(session)
        assert done.wait(LONG_ENOUGH), self.errors
        try:
            yield
        finally:
            commit.set()
            thread.join(LONG_ENOUGH)
            assert not thread.is_alive()


@pytest.fixture
def other() -> Iterator[Other]:
    session = Other()
    yield session
    assert not session.errors


with_others = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="one writer at a time"),
]


def together(test: Any) -> Any:
    """A test with real connections."""
    for each in with_others:
        test = each(test)
    return test


def join_acme(email: str) -> None:
    acme = Company.objects.get()
    Contact.objects.create(email=email, company=acme)


def move_to_acme(email: str) -> None:
    row = Contact.objects.get(email=email)
    row.company = Company.objects.get()
    row.save()


def add_to_acme(email: str) -> None:
    Company.objects.get().contacts.add(Contact.objects.get(email=email))


def edit(email: str) -> None:
    Contact.objects.filter(email=email).update(title="Chief")


#: While a company is being written, MySQL and MariaDB let nobody refer to it anew.
not_mysql = pytest.mark.skipif(connection.vendor == "mysql", reason="a new reference has to wait")


@together
@pytest.mark.parametrize(
    ("put", "email"),
    [
        pytest.param(join_acme, "new@x.example", marks=not_mysql),
        pytest.param(move_to_acme, BOB, marks=not_mysql),
        pytest.param(add_to_acme, BOB, marks=not_mysql),
        (edit, ANN),
    ],
)
def test_who_is_sent_before_the_name_is_committed_is_sent_again(
    conversion, staff, other, put, email
):
    with other.uncommitted(rename):
        put(email)
        push()
        assert name_of(conversion, email) == "Acme"
        assert Contact.objects.get(email=email).sync_status == Status.SYNCED
    push()
    assert name_of(conversion, email) == name_of(conversion) == "Apex"
    assert mark() is None


@together
@pytest.mark.parametrize("put", [join_acme, move_to_acme])
def test_who_is_put_there_while_the_name_is_spread_is_sent_with_it(conversion, staff, other, put):
    rename()
    email = "new@x.example" if put is join_acme else BOB
    with other.uncommitted(lambda: put(email)):
        push()
        assert name_of(conversion) == "Apex"
    push()
    assert name_of(conversion, email) == "Apex"


@together
def test_a_name_that_is_not_committed_when_the_mark_is_taken_off_keeps_its_own(
    conversion, staff, other
):
    rename()
    with other.uncommitted(lambda: rename("Atlas")):
        push()
    push()
    assert name_of(conversion) == "Atlas"
    assert mark() is None


@together
def test_a_contact_that_a_host_holds_is_made_due_later_and_the_others_now(conversion, staff, other):
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("a locked row is waited for")
    contact("carl@x.example", company=staff.company)
    push()
    rename()
    held = Contact.unmarked.filter(pk=staff.pk).select_for_update()
    with other.uncommitted(lambda: held.get()):
        push()
        assert name_of(conversion, "carl@x.example") == "Apex"
        assert name_of(conversion) == "Acme"
        assert mark() is not None
        assert fresh(staff).sync_status == Status.SYNCED
    push()
    assert name_of(conversion) == "Apex"
    assert mark() is None


@together
def test_who_carries_the_name_and_is_held_by_a_host_holds_up_nothing(conversion, staff, other):
    rename()
    write(staff, sent_payload={"email": ANN, "variables": {"company_name": "Apex"}})
    held = Contact.unmarked.filter(pk=staff.pk).select_for_update()
    with other.uncommitted(lambda: held.get()):
        finish()
        assert mark() is None


@together
@pytest.mark.parametrize("lapsed", [False, True])
def test_a_claim_that_has_read_the_old_name_is_waited_for(
    conversion, staff, other, monkeypatch, lapsed
):
    """Two workers: one has loaded the contact and has not stamped it when the name is committed."""
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("a locked row is waited for")
    if lapsed:
        carried = {"email": ANN, "variables": {"company_name": "Apex"}}
        claimed(staff, sent_payload=carried, due_at=db_now("default"))
    else:
        staff.title = "Chief"
        staff.save()
    loaded, go_on, real = threading.Event(), threading.Event(), stamping.stamp

    def stamp(taken: Any) -> None:
        if Contact in (type(row) for row in taken.rows):
            monkeypatch.setattr(claiming, "stamp", real)
            loaded.set()
            assert go_on.wait(LONG_ENOUGH)
        real(taken)

    monkeypatch.setattr(claiming, "stamp", stamp)
    worker = other.start(push)
    assert loaded.wait(LONG_ENOUGH), other.errors
    rename()
    finish()
    go_on.set()
    worker.join(LONG_ENOUGH)
    assert not worker.is_alive()
    push()
    assert name_of(conversion) == "Apex"
    assert mark() is None
