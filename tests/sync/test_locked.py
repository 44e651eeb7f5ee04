"""Rows that a host holds while their answers come: no other waits for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, connections, transaction

from conversion_sync.models import (
    BulkJob,
    Contact,
    Engagement,
    Heartbeat,
    Status,
    SubscriptionChange,
    attributed,
)
from conversion_sync.sync import jobs, run
from conversion_sync.sync.drain import drain
from tests.kit import BOB, PROMPT, contact, engagement, fresh, later, synced_contact

pytestmark = [
    pytest.mark.django_db(transaction=True, available_apps=["conversion_sync"]),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="nobody holds a row there"),
]

SUBSCRIPTIONS = "/contacts/batch-subscription"
CONTACTS, COMPANIES, ENGAGEMENTS = "/contacts/batch", "/companies/batch", "/contacts/engagements"


class Host:
    """A site's own transaction, on a connection of its own, that holds rows until it is told."""

    def __init__(self) -> None:
        self._free, self._locked = threading.Event(), threading.Event()
        self._threads: list[threading.Thread] = []

    def lock(self, *rows: Any) -> None:
        """Hold the rows from now on."""

        def hold() -> None:
            try:
                with transaction.atomic():
                    for row in rows:
                        type(row).unmarked.select_for_update().get(pk=row.pk)
                    self._locked.set()
                    self._free.wait(PROMPT)
            finally:
                connections.close_all()

        thread = threading.Thread(target=hold)
        self._threads.append(thread)
        thread.start()
        assert self._locked.wait(PROMPT)

    @property
    def is_done(self) -> bool:
        """Whether it holds nothing any more: it was told, or has waited for too long."""
        return not any(thread.is_alive() for thread in self._threads)

    def release(self) -> None:
        """Let the rows go, and have that committed."""
        self._free.set()
        for thread in self._threads:
            thread.join(PROMPT)


@pytest.fixture
def host() -> Iterator[Host]:
    one = Host()
    yield one
    one.release()


def states(*rows: Any) -> list[str]:
    return [str(fresh(row).sync_status) for row in rows]


def during(box: Any, path: str, act: Callable[[], object], moment: str = "after") -> None:
    """Do something while the next call of that path is under way, on another connection."""

    def step(request: object) -> None:
        try:
            act()
        finally:
            connections.close_all()

    {"before": box.before, "after": box.after}[moment](step, path=f"^{path}$", method="POST")


def test_the_others_of_a_batch_are_settled_at_once_and_the_drain_goes_on(
    conversion, one_at_a_time, host
):
    known = synced_contact("known@x.example")
    rows = [contact(f"c{number}@x.example") for number in range(3)]
    other = engagement(known)
    seen: list[list[str]] = []

    def look_and_release() -> None:
        seen.append(states(*rows))
        host.release()

    during(conversion, CONTACTS, lambda: host.lock(rows[1]))
    during(conversion, ENGAGEMENTS, look_and_release)
    Heartbeat.write("default", turn="contact")
    report = drain()
    assert seen == [[Status.SYNCED, Status.SENDING, Status.SYNCED]]
    assert states(*rows, other) == [Status.SYNCED] * 4
    assert report.synced == 4


def test_what_stays_locked_is_left_to_the_end_of_its_lease(
    conversion, one_at_a_time, host, monkeypatch, caplog
):
    monkeypatch.setattr(run, "LAST", 0.05)
    monkeypatch.setattr(run, "LAST_AT_LEAST", 0.05)
    known = synced_contact("known@x.example")
    rows = [contact(f"c{number}@x.example") for number in range(3)]
    call = engagement(known)
    during(conversion, CONTACTS, lambda: host.lock(rows[0], call))
    # The engagement is locked when it is to be claimed, so another one is claimed first.
    Heartbeat.write("default", turn="contact")
    report = drain()
    assert states(*rows) == [Status.SENDING, Status.SYNCED, Status.SYNCED]
    assert report.synced == 2
    assert "1 rows stay locked" in caplog.text
    host.release()
    later()
    drain()
    assert states(*rows, call) == [Status.SYNCED] * 4


def test_a_change_whose_contact_is_held_is_settled_and_shown_once_that_is_free(
    conversion, one_at_a_time, host
):
    row, known = synced_contact(subscription_status="UNSUBSCRIBED"), synced_contact(BOB)
    with attributed(override=True, reason="She asked."):
        row.subscription_status = "SUBSCRIBED"
        row.save()
    change = SubscriptionChange.objects.latest("pk")
    engagement(known)
    seen: list[list[str]] = []

    def look_and_release() -> None:
        seen.append(states(change))
        host.release()

    conversion.fail("400", code="VALIDATION_ERROR", path=f"{SUBSCRIPTIONS}$", count=None)
    during(conversion, SUBSCRIPTIONS, lambda: host.lock(row), "before")
    during(conversion, ENGAGEMENTS, look_and_release)
    Heartbeat.write("default", turn="contact")
    drain()
    assert seen == [[Status.SENDING]]
    assert states(change) == [Status.FAILED]
    assert fresh(row).subscription_status == "UNSUBSCRIBED"


def test_an_engagement_whose_answer_was_given_up_is_in_doubt(conversion, host, monkeypatch):
    monkeypatch.setattr(run, "LAST", 0.05)
    monkeypatch.setattr(run, "LAST_AT_LEAST", 0.05)
    row = engagement(synced_contact())
    during(conversion, ENGAGEMENTS, lambda: host.lock(row))
    drain()
    assert states(row) == [Status.SENDING]
    host.release()
    later()
    drain()
    assert states(row) == [Status.UNCONFIRMED]
    assert len(conversion.engagements) == 1
    assert Engagement.objects.mark_as_sent() == 1


def test_a_part_of_a_batch_that_is_locked_keeps_its_own_answer(conversion, host):
    """The batch is split; its first part stays locked until the second is sent."""
    rows = [contact(f"c{number}@x.example") for number in range(2)]
    conversion.fail("poison", email="c1@x.example", status=400, count=None)
    during(conversion, CONTACTS, lambda: host.lock(rows[0]), moment="before")
    conversion.before(
        lambda request: host.release(),
        path=f"^{CONTACTS}$",
        when=lambda body: [item["email"] for item in body["contacts"]] == ["c1@x.example"],
    )
    drain()
    assert states(*rows) == [Status.SYNCED, Status.FAILED]


@pytest.mark.parametrize("kind", ["engagement", "opt-out"])
def test_an_event_whose_contact_is_lost_there_and_locked_here_comes_again(conversion, host, kind):
    known = synced_contact()
    path = ENGAGEMENTS
    row: Any
    if kind == "engagement":
        row = engagement(known)
    else:
        known.subscription_status = "UNSUBSCRIBED"
        known.save()
        row, path = SubscriptionChange.objects.get(), "/contacts/batch-subscription"
        Contact.unmarked.update(sync_status="SYNCED", due_at=None)
    conversion.fail("404", code="NOT_FOUND", path=path)
    during(conversion, path, lambda: host.lock(known), moment="before")
    drain()
    assert not host.is_done
    found = fresh(row)
    assert (found.sync_status, found.last_error_code, found.attempts) == ("PENDING", "", 0)
    host.release()
    later()
    drain()
    assert states(row, known) == [Status.SYNCED] * 2


def test_a_bulk_job_does_not_wait_for_a_row_that_is_locked(conversion, host):
    rows = [synced_contact(f"c{number}@x.example") for number in range(3)]
    job = jobs.start(BulkJob.Action.SYNC_NOW, Contact)
    host.lock(rows[1])
    drain()
    assert not host.is_done
    job.refresh_from_db()
    assert (job.done, job.claim, job.finished_at) == (1, None, None)
    host.release()
    drain()
    job.refresh_from_db()
    assert (job.done, job.affected) == (3, 3)
    assert job.finished_at is not None


def test_a_row_that_is_deleted_by_its_holder_is_not_brought_back(conversion, host):
    rows = [contact(f"c{number}@x.example") for number in range(2)]
    known = synced_contact("known@x.example")
    engagement(known)
    Contact.objects.filter(pk__in=[row.pk for row in rows]).sync_now()
    locked, gone = threading.Event(), threading.Event()

    def delete() -> None:
        try:
            with transaction.atomic():
                Contact.objects.get(pk=rows[0].pk).delete()
                locked.set()
                gone.wait(PROMPT)
        finally:
            connections.close_all()

    thread = threading.Thread(target=delete)

    def start() -> None:
        thread.start()
        assert locked.wait(PROMPT)

    def end() -> None:
        gone.set()
        thread.join(PROMPT)

    during(conversion, CONTACTS, start)
    during(conversion, ENGAGEMENTS, end)
    drain()
    end()
    assert not Contact.objects.filter(pk=rows[0].pk).exists()
    later()
    drain()
    assert "c0@x.example" not in conversion.contacts
