"""Isolation levels that a site may have set: what the drain does at them, and what a save does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction

from conversion_sync.models import Contact, Status, SubscriptionChange
from conversion_sync.records.last_sent import last_sent
from conversion_sync.records.snapshot import Snapshot
from conversion_sync.sync.claim import claiming
from conversion_sync.sync.drain import drain
from conversion_sync.sync.readiness import waits_for
from conversion_sync.sync.transactions import short_transaction
from tests.kit import ANN, BOB, claimed, contact, fresh, log, push, write
from tests.sync.kit import claim

#: By the vendor's name in Django: the levels above READ COMMITTED that are tried.
LEVELS: dict[str, dict[str, Any]] = {
    "postgresql": {"repeatable read": 3, "serializable": 4},
    "mysql": {"repeatable read": "repeatable read"},
}
HERE = LEVELS.get(connection.vendor, {})

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not HERE, reason="a database without isolation levels"),
]

LONG_ENOUGH = 20.0


@pytest.fixture(params=HERE or ["none"])
def level(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[str]:
    """The site's level, on each connection."""
    options, name = connection.settings_dict["OPTIONS"], request.param
    before = dict(options)
    connection.close()
    options["isolation_level"] = HERE[name]
    yield name
    connection.close()
    options.clear()
    options.update(before)


def elsewhere(act: Callable[[], object]) -> None:
    """Have something done and committed in another session."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(LONG_ENOUGH)
    assert not thread.is_alive()
    assert not errors


def title() -> str:
    return str(Contact.objects.get(email=ANN).title)


def set_title(text: str) -> None:
    write(Contact.objects.get(email=ANN), title=text)


def test_a_transaction_of_the_drain_reads_what_is_committed(level):
    contact(title="Old")
    with short_transaction("default"):
        assert title() == "Old"
        elsewhere(lambda: set_title("New"))
        assert title() == "New"


def test_the_sites_transactions_keep_their_level(level):
    contact(title="Old")
    with short_transaction("default"):
        title()
    with transaction.atomic():
        assert title() == "Old"
        elsewhere(lambda: set_title("New"))
        assert title() == "Old"


def test_within_a_transaction_of_the_caller_its_level_holds(level):
    contact(title="Old")
    with transaction.atomic():
        assert title() == "Old"
        with short_transaction("default"):
            elsewhere(lambda: set_title("New"))
            assert title() == "Old"


def test_without_autocommit_the_callers_level_holds(level):
    contact(title="Old")
    transaction.set_autocommit(False)
    try:
        assert title() == "Old"
        with short_transaction("default"):
            elsewhere(lambda: set_title("New"))
            assert title() == "Old"
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)


def test_a_claim_keeps_nobody_from_entering_rows(level, monkeypatch):
    contact()
    contact("zoe@x.example")

    def look_again(model: Any, using: str) -> Any:
        monkeypatch.setattr(claiming, "waits_for", waits_for)
        elsewhere(lambda: contact(BOB))
        return waits_for(model, using)

    monkeypatch.setattr(claiming, "waits_for", look_again)
    assert len(claim().pks) == 2
    assert Contact.objects.filter(email=BOB).exists()


def test_an_opt_out_that_was_committed_after_the_hosts_snapshot_is_not_undone(level):
    row = contact(subscription_status="SUBSCRIBED")

    def opt_out() -> None:
        Contact.objects.filter(pk=row.pk).update(subscription_status="UNSUBSCRIBED")

    try:
        with transaction.atomic():
            assert fresh(row).subscription_status == "SUBSCRIBED"
            elsewhere(opt_out)
            opt_out()
    except OperationalError:
        # PostgreSQL refuses a transaction whose rows are no longer as it has read them.
        assert connection.vendor == "postgresql"
    assert fresh(row).subscription_status == "UNSUBSCRIBED"
    # The host does not see the other one's entry in the log, and may add its own.
    first, *later = [status for status, _ in log()]
    assert (first, {*later}) == ("SUBSCRIBED", {"UNSUBSCRIBED"})


@pytest.mark.parametrize("by", ["save", "update"])
def test_a_wish_after_an_opt_out_that_the_host_does_not_see_lifts_nothing(level, by):
    row = contact(subscription_status="SUBSCRIBED")
    try:
        with transaction.atomic():
            mine = fresh(row)
            elsewhere(lambda: Contact.objects.update(subscription_status="UNSUBSCRIBED"))
            if by == "save":
                mine.subscription_status = "SUBSCRIBED"
                mine.save()
            else:
                Contact.objects.update(subscription_status="SUBSCRIBED")
    except OperationalError:
        assert connection.vendor == "postgresql"
    assert fresh(row).subscription_status == "UNSUBSCRIBED"
    [standing] = SubscriptionChange.standing_opt_outs("default", [(row.pk, ANN)])
    assert standing is not None


def test_what_was_sent_after_the_hosts_snapshot_is_known_when_the_key_comes_back(conversion, level):
    row = contact()
    try:
        with transaction.atomic():
            assert fresh(row).sent_key is None
            elsewhere(push)
            Contact.objects.filter(pk=row.pk).update(email=BOB)
            Contact.objects.filter(pk=row.pk).update(email=ANN)
    except OperationalError:
        assert connection.vendor == "postgresql"
        return
    found = fresh(row)
    assert (found.key, found.sent_key) == (ANN, ANN)
    assert last_sent(found) == Snapshot(ANN)
    assert found.remote_id


def test_a_drain_beside_a_host_that_has_just_committed_is_not_refused(conversion, level):
    row = contact()
    claimed(row, -1)

    def edit() -> None:
        Contact.objects.filter(pk=row.pk).update(title="Host")

    conversion.before(lambda request: elsewhere(edit), path="^/contacts/batch$", method="POST")
    drain(5)
    push()
    assert fresh(row).sync_status == Status.SYNCED
    assert conversion.contacts[ANN]["variables"] == {"title": "Host"}
