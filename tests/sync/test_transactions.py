"""No call in a transaction; connections that broke are closed, and no others."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from conversion_sync.models.api_gate import ApiGate
from conversion_sync.sync import transactions
from conversion_sync.sync.drain import drain
from conversion_sync.sync.transactions import CallInTransaction, close_broken
from tests.kit import contact, push

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def old(monkeypatch):
    """A connection that has outlived its age, as each has with Django's default."""
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    connection.close()
    connection.ensure_connection()
    yield
    connection.close()


def fail() -> None:
    with pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute("SELECT nonsense FROM nowhere")


@pytest.mark.parametrize("happened", [lambda: None, fail], ids=["nothing", "an error"])
def test_a_connection_that_works_is_left_alone_whatever_its_age(happened):
    raw = connection.connection
    happened()
    close_broken()
    assert connection.connection is raw


@pytest.mark.skipif(connection.vendor == "sqlite", reason="A file can't hang up.")
def test_a_connection_that_was_cut_is_opened_anew():
    raw = connection.connection
    kill = {
        "postgresql": "SELECT pg_terminate_backend(pg_backend_pid())",
        "mysql": "KILL CONNECTION_ID()",
    }
    for sql in (kill[connection.vendor], "SELECT 1"):  # MariaDB says so at the next statement
        with contextlib.suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute(sql)
    close_broken()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
    assert connection.connection is not raw


def test_within_a_transaction_nothing_is_closed():
    raw = connection.connection
    with transaction.atomic():
        connection.errors_occurred = True
        close_broken()
        assert connection.connection is raw


@contextlib.contextmanager
def without_autocommit():
    transaction.set_autocommit(False)
    try:
        yield
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)


@pytest.mark.parametrize("act", [drain, lambda: call_command("conversion_check")])
@pytest.mark.parametrize("begin", [transaction.atomic, without_autocommit])
def test_within_a_transaction_nothing_is_called(begin, act, conversion):
    contact()
    ApiGate.load("default")
    with pytest.raises(CallInTransaction), begin():
        act()
    assert not conversion.calls
    assert push().synced == 1


def test_the_sync_opens_no_transaction_but_short_ones():
    folder = Path(transactions.__file__).parent
    modules = {
        path.name for path in folder.glob("*.py") if "transaction.atomic(" in path.read_text()
    }
    assert modules == {"transactions.py"}
