"""A site whose requests are transactions: no page holds one while Conversion is called."""

from __future__ import annotations

import pytest
import requests
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import DatabaseError, OperationalError, connection, connections, transaction
from django.test import Client

from conversion_sync.models import Company, Contact, SubscriptionChange
from conversion_sync.models.api_gate import ApiGate
from conversion_sync.sync.gate import Gate, Slots
from tests.admin.conftest import BASE
from tests.kit import company, push, synced_contact

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def atomic_requests(monkeypatch):
    for alias in connections:
        monkeypatch.setitem(connections.settings[alias], "ATOMIC_REQUESTS", True)


@pytest.fixture
def browser(live_server, db):
    """Somebody who may do everything, at a real server."""
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    with requests.Session() as session:
        session.cookies.update({name: each.value for name, each in client.cookies.items()})
        session.headers["Referer"] = live_server.url
        yield session


@pytest.fixture
def others(conversion):
    """Have others send while the page asks: what came of it, for each call."""
    came: list[object] = []

    def send(_request):
        try:
            with transaction.atomic():
                _impatient()
                ApiGate.load("default", lock=True)
            came.append(isinstance(Gate().take(within=5), Slots))
        except DatabaseError as error:
            came.append(error)
        finally:
            connection.close()

    conversion.before(send, method="GET", count=10)
    return came


def _impatient():
    """Fail, instead of waiting, where the row is held: SQLite and MariaDB wait for seconds."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET lock_timeout = '1s'")
        elif connection.vendor == "mysql":
            cursor.execute("SET innodb_lock_wait_timeout = 1")


def address(live_server, row):
    return f"{live_server.url}{BASE}/{row._meta.model_name}/{row.pk}/compare/"


def decide(browser, url, action, **data):
    token = browser.get(url).cookies.get("csrftoken") or browser.cookies["csrftoken"]
    return browser.post(url, {"csrfmiddlewaretoken": token, "action": action, **data}, timeout=60)


@pytest.mark.parametrize("make", [synced_contact, company])
def test_others_send_while_a_comparison_asks(make, browser, live_server, conversion, others):
    row = make()
    push()
    others.clear()
    html = browser.get(address(live_server, row), timeout=60).text
    assert "Conversion has all that we would send" in html
    assert others == [True]


def test_what_is_decided_is_written(browser, live_server, conversion, others):
    row = synced_contact(first_name="Ann")
    Contact.unmarked.filter(pk=row.pk).update(first_name="Anna", title="Boss")
    conversion.set_status(row.key, "UNSUBSCRIBED")
    others.clear()
    url = address(live_server, row)
    assert "Taken from Conversion" in decide(browser, url, "take", field=["first_name"]).text
    assert "The opt-out is taken" in decide(browser, url, "opt_out").text
    assert "Ours is sent now" in decide(browser, url, "push").text
    assert others
    assert all(each is True for each in others)
    row.refresh_from_db()
    assert (row.first_name, row.title, row.sync_status) == ("Ann", "Boss", "PENDING")
    assert SubscriptionChange.objects.get().source == "Conversion"
    assert LogEntry.objects.count() == 2


def test_what_is_taken_stands_with_its_entry_or_not_at_all(
    browser, live_server, conversion, monkeypatch
):
    row = synced_contact(first_name="Ann")
    Contact.unmarked.filter(pk=row.pk).update(first_name="Anna")

    def gone(*args, **kwargs):
        raise OperationalError("the database is gone")

    monkeypatch.setattr(LogEntry.objects, "log_actions", gone)
    decide(browser, address(live_server, row), "take", field=["first_name"])
    row.refresh_from_db()
    assert row.first_name == "Anna"


def test_a_site_that_wraps_the_page_in_a_transaction_is_told(
    browser, live_server, conversion, monkeypatch
):
    row = company()
    push()
    before = len(conversion.calls)
    # As a site does whose own wrapper loses what the view is marked with.
    make = transaction.Atomic.__call__
    monkeypatch.setattr(
        "django.core.handlers.base.BaseHandler.make_view_atomic",
        lambda handler, view: make(transaction.atomic(), view),
    )
    html = browser.get(address(live_server, row), timeout=60).text
    assert "in which Conversion is never called" in html
    assert len(conversion.calls) == before
    assert Company.objects.get().sync_status == "SYNCED"
