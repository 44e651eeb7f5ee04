"""A save leaves the site's connections as they are: sessions, locks, cursors; with any queue."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django import db
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django_q.brokers import Broker
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.models import OrmQ

from conversion_sync.models import Company, Contact, Wakeup
from conversion_sync.queues import django_q
from conversion_sync.sync.worker import Worker
from tests.kit import contact, push, roll_back

pytestmark = pytest.mark.django_db(transaction=True)

POSTGRESQL, SQLITE = connection.vendor == "postgresql", connection.vendor == "sqlite"

#: How a session is asked who it is, and what it keeps: by vendor.
WHO = {
    "postgresql": "SELECT pg_backend_pid()",
    "mysql": "SELECT CONNECTION_ID()",
    "sqlite": "SELECT 1",
}
REMEMBER = {
    "postgresql": ["SET statement_timeout = '987s'", "SELECT pg_advisory_lock(4711)"],
    "mysql": ["SET @remembered = 987", "SELECT GET_LOCK(DATABASE(), 0)"],
    "sqlite": ["PRAGMA cache_size = 987"],
}
REMEMBERED: dict[str, list[tuple[str, object]]] = {
    "postgresql": [
        ("SHOW statement_timeout", "987s"),
        (
            "SELECT count(*) FROM pg_locks "
            "WHERE locktype = 'advisory' AND objid = 4711 AND pid = pg_backend_pid()",
            1,
        ),
    ],
    "mysql": [
        ("SELECT @remembered", 987),
        ("SELECT IS_USED_LOCK(DATABASE()) = CONNECTION_ID()", 1),
    ],
    "sqlite": [("PRAGMA cache_size", 987)],
}


def ask(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        row = cursor.fetchone()
    return row[0] if row else None


class Session:
    """What the site has set up in its session, and must find again."""

    def __init__(self) -> None:
        self.who, self.raw = ask(WHO[connection.vendor]), connection.connection
        with connection.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY TABLE kept (x integer)")
            for sql in REMEMBER[connection.vendor]:
                cursor.execute(sql)
                if cursor.description:
                    cursor.fetchall()

    def is_kept(self) -> bool:
        assert connection.connection is self.raw
        assert ask(WHO[connection.vendor]) == self.who
        assert ask("SELECT count(*) FROM kept") == 0
        for sql, value in REMEMBERED[connection.vendor]:
            assert ask(sql) == value
        return True


@pytest.fixture(autouse=True)
def short_lived(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Django's default: a connection that is looked at as old is closed at once."""
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    connection.close()
    yield
    connection.close()


class Careless(Broker):  # type: ignore[misc]  # django-q2 ships no types
    """Closes whatever connection it can reach, and queues nothing."""

    queued = 0

    @staticmethod
    def get_connection(list_key: str | None = None) -> None:
        db.close_old_connections()
        connections.close_all()

    def enqueue(self, task: str) -> None:
        self.get_connection()
        type(self).queued += 1


class CarelessOrm(ORM):  # type: ignore[misc]  # django-q2 ships no types
    """A site's own kind of django-q2's ORM broker."""


@pytest.fixture
def another_database(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The same tables under an alias, and so on connections, of their own: for the queue."""

    def ensure(self: BaseDatabaseWrapper) -> None:
        if self.connection is None:
            self.connect()

    # The test was set up before it knew of this database, and would refuse it.
    monkeypatch.setattr(BaseDatabaseWrapper, "ensure_connection", ensure)
    connections.settings["queue"] = {**connection.settings_dict}
    monkeypatch.setattr(Conf, "ORM", "queue")
    yield "queue"
    connections["queue"].close()
    del connections["queue"], connections.settings["queue"]


@pytest.fixture(params=["orm", "another database", "own", "own over orm"])
def queue(request, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """The number of tasks in the queue, with each broker."""
    match request.param:
        case "another database":
            request.getfixturevalue("another_database")
        case "own" | "own over orm":
            kind = "Careless" if request.param == "own" else "CarelessOrm"
            monkeypatch.setattr(django_q, "Careless", Careless, raising=False)
            monkeypatch.setattr(django_q, "CarelessOrm", CarelessOrm, raising=False)
            monkeypatch.setattr(Conf, "BROKER_CLASS", f"{django_q.__name__}.{kind}")
    Careless.queued = 0
    return lambda: Careless.queued or OrmQ.objects.count()


def rename(row: Contact) -> None:
    row.first_name = "Renamed"
    row.save()


def save_again(row: Contact) -> None:
    """Every save asks for a drain, as if no other had."""
    Wakeup.write("default", requested_until=None)
    rename(row)


def in_autocommit(act: Callable[[], object]) -> None:
    act()


def in_a_transaction(act: Callable[[], object]) -> None:
    with transaction.atomic():
        act()


def in_on_commit(act: Callable[[], object]) -> None:
    with transaction.atomic():
        transaction.on_commit(act)


def in_a_savepoint_beside_one_rolled_back(act: Callable[[], object]) -> None:
    with transaction.atomic():
        roll_back(act)
        with transaction.atomic():
            act()


@pytest.mark.parametrize(
    "moment",
    [in_autocommit, in_a_transaction, in_on_commit, in_a_savepoint_beside_one_rolled_back],
)
def test_a_save_keeps_the_session(conversion, queue, moment):
    row = contact()
    before, session = queue(), Session()
    moment(lambda: save_again(row))
    assert session.is_kept()
    assert queue() == before + 1


def test_saves_in_a_loop_over_an_open_cursor_reach_its_end(conversion, queue, request):
    if SQLITE and request.node.callspec.params["queue"] in ("another database", "own over orm"):
        pytest.skip("With SQLite, a cursor that is open allows no writer on another connection.")
    Contact.objects.bulk_create(Contact(email=f"c{n:03}@x.example") for n in range(60))
    before, session = queue(), Session()
    for row in Contact.objects.order_by("pk").iterator(chunk_size=7):
        save_again(row)
    assert session.is_kept()
    assert Contact.objects.filter(first_name="Renamed").count() == 60
    assert queue() == before + 60


@pytest.mark.parametrize(
    "change",
    [
        lambda row: Contact.objects.update(first_name="X"),
        lambda row: Contact.objects.update(subscription_status="UNSUBSCRIBED"),
        lambda row: Contact.objects.bulk_create([Contact(email="n@x.example")]),
        lambda row: Company.objects.create(external_id="C9").contacts.add(row),
        lambda row: row.delete(),
        lambda row: Contact.objects.all().delete(),
        lambda row: Contact.objects.sync_now(),
    ],
)
def test_so_does_every_other_change(conversion, queue, change):
    row = contact()
    Wakeup.write("default", requested_until=None)
    session = Session()
    change(row)
    assert session.is_kept()


def test_so_does_a_save_in_a_thread(conversion, queue):
    row, kept = contact(), []

    def run() -> None:
        try:
            session = Session()
            for _ in Contact.objects.iterator(chunk_size=1):
                save_again(row)
            kept.append(session.is_kept())
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    assert kept == [True]


def test_a_save_in_a_pool_keeps_its_connection(conversion, queue, monkeypatch):
    if not POSTGRESQL:
        pytest.skip("Only PostgreSQL's driver has a pool.")
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "pool", {"min_size": 1, "max_size": 4})
    try:
        contact()
        session = Session()
        for row in Contact.objects.iterator(chunk_size=1):
            save_again(row)
        assert session.is_kept()
    finally:
        for each in connections.all(initialized_only=True):
            each.close()
            each.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's has it


def test_a_task_in_another_database_joins_the_transaction_there(conversion, another_database):
    with transaction.atomic(using=another_database):
        assert django_q.enqueue("default")
        assert OrmQ.objects.using(another_database).count() == 1
        transaction.set_rollback(True, using=another_database)
    assert OrmQ.objects.count() == 0


def test_comparing_and_pushing_keeps_the_session(conversion):
    for number in range(3):
        contact(f"c{number}@x.example", first_name="Ann")
    push()
    Contact.unmarked.update(first_name="Raw")
    session = Session()
    with pytest.raises(SystemExit):
        call_command("conversion_verify", "--push", verbosity=0)
    assert session.is_kept()
    assert Contact.objects.waiting().count() == 3


def test_sending_keeps_the_session(conversion):
    contact()
    session = Session()
    call_command("conversion_push", verbosity=0)
    assert session.is_kept()


def test_a_worker_keeps_the_session_of_its_thread(conversion, monkeypatch):
    contact()
    worker = Worker(poll=0)
    monkeypatch.setattr(worker._stopped, "wait", lambda seconds: worker.stop())
    session = Session()
    worker.run()
    assert session.is_kept()
