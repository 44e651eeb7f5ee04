"""Fixtures that all the tests share."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.cache import cache
from django.db import connections, transaction
from django.test import Client, TransactionTestCase
from pytest_django import Settings

from conversion_sync.sandbox import Sandbox
from conversion_sync.sync.loop.calls import CallsInFlight

# As a site has it: ``conversion``, and ``conversion_in_memory``.
pytest_plugins = ["conversion_sync.testing.pytest"]

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile(
    "busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy")

# A shell has what it starts in the background ignore SIGINT, and so would what the tests start.
if (
    threading.current_thread() is threading.main_thread()
    and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Have the collector of garbage leave alone what stays: modules, and thousands of tests."""
    gc.collect()
    gc.freeze()


#: What `migrate` fills, and no test writes.
FILLED = {"django_content_type", "auth_permission", "django_migrations"}


def empty_tables(case: TransactionTestCase) -> None:
    """Empty the tables after a test that commits: those that have rows, and none that are kept.

    Django would empty all, and then make each content type and permission again; PostgreSQL needs
    half a second to truncate them.
    """
    for alias in case.databases:
        connection = connections[alias]
        names = connection.introspection.django_table_names(only_existing=True, include_views=False)
        asked = " UNION ALL ".join(
            f"SELECT '{name}' FROM (SELECT 1) one WHERE EXISTS (SELECT 1 FROM {name})"  # noqa: S608  # names of tables
            for name in sorted(set(names) - FILLED)
        )
        with connection.cursor() as cursor:
            cursor.execute(asked)
            used = cursor.fetchall()
        off = connection.constraint_checks_disabled()
        with off, transaction.atomic(using=alias), connection.cursor() as cursor:
            for (name,) in used:
                cursor.execute(f"DELETE FROM {name}")  # noqa: S608  # the name of a table


@pytest.fixture(scope="session", autouse=True)
def emptied_tables() -> Iterator[None]:
    """Tests that commit end sooner."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty_tables)
        yield


@pytest.fixture(autouse=True)
def empty_caches() -> None:
    """Each test begins as a new process does, whatever ran before it in this one.

    In the cache, pages keep what took them long to count, of another test's rows. Content types are
    asked for once a process: the first page that needs them has one query more.
    """
    cache.clear()
    ContentType.objects.clear_cache()


@pytest.fixture
def admin(db: None) -> Client:
    """A client that may do whatever the admin offers."""
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def one_at_a_time(conversion: Sandbox, settings: Settings) -> None:
    """Have no more than one call on its way."""
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "CONCURRENCY": 1}


#: The endpoints of the client's calls, as the log names them.
ENDPOINTS = {
    "upsert_contacts": "POST /contacts/batch",
    "get_contact": "GET /contacts/by-email",
    "delete_contact": "DELETE /contacts/by-email",
    "set_subscriptions": "POST /contacts/batch-subscription",
    "track_engagement": "POST /contacts/engagements",
    "upsert_companies": "POST /companies/batch",
    "get_company": "GET /companies/by-external-id",
    "delete_company": "DELETE /companies/by-external-id",
}


@pytest.fixture
def in_flight(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have something happen once while a call is under way, after its work at the remote.

    It happens in the drain's own thread, and so on its connection.
    """

    def arrange(happen: Callable[[], object], method: str = "upsert_contacts") -> None:
        real = CallsInFlight._hear

        def hear(calls: CallsInFlight, came: Any) -> Any:
            endpoints = [ended.record and ended.record.endpoint for _, _, ended in came]
            if ENDPOINTS[method] in endpoints:
                monkeypatch.setattr(CallsInFlight, "_hear", real)
                happen()
            return real(calls, came)

        monkeypatch.setattr(CallsInFlight, "_hear", hear)

    return arrange
