"""The loop over the channels: bounded in time, and it says whether it should go on."""

from __future__ import annotations

import datetime
import threading
import time
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError, transaction

from conversion_sync.api import Client
from conversion_sync.api.request import Request
from conversion_sync.models import ApiGate, Company, Contact, Heartbeat, Status, Wakeup
from conversion_sync.models.clock import db_now
from conversion_sync.sync.drain import DrainReport, anything_ready, drain
from conversion_sync.sync.gate import Gate
from conversion_sync.sync.loop import Loop
from conversion_sync.sync.run import Run
from conversion_sync.sync.turns import turns
from conversion_sync.sync.turns.due import due as what_is_due
from tests.kit import (
    ANN,
    HOUR,
    MINUTE,
    PROMPT,
    SECOND,
    company,
    contact,
    fresh,
    push,
    roll_back,
    sent,
    write,
)

pytestmark = pytest.mark.django_db


def many(count: int) -> None:
    with transaction.atomic():
        for number in range(count):
            Contact(email=f"c{number:04}@x.example").save()


def test_a_thousand_contacts_of_one_transaction_are_sent_in_five_requests(conversion):
    many(1000)
    report = drain()
    assert (report.rows, report.synced, report.calls) == (1000, 1000, 5)
    assert [len(body["contacts"]) for body in sent(conversion)] == [200] * 5
    assert not report.go_on
    assert len(conversion.contacts) == 1000


def test_what_was_rolled_back_is_not_sent(conversion):
    contact()
    roll_back(lambda: many(3))
    drain()
    assert list(conversion.contacts) == [ANN]


def test_with_nothing_to_do_it_makes_no_call(conversion):
    assert drain() == DrainReport()
    assert conversion.calls == []
    assert not anything_ready()


def test_it_says_how_far_it_is(conversion, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "BATCH_SIZE": 3}
    many(7)
    heard: list[int] = []
    drain(on_progress=heard.append)
    assert heard == [3, 3, 1]


def test_it_leaves_a_heartbeat(conversion):
    contact()
    before = db_now("default")
    drain()
    beat: Any = Heartbeat.load("default")
    assert before <= beat.started_at <= beat.finished_at
    assert (beat.rows, beat.calls) == (1, 1)
    assert ":" in beat.worker


def test_it_leaves_a_heartbeat_even_when_it_breaks(conversion, monkeypatch):
    def fail(loop):
        raise RuntimeError

    monkeypatch.setattr(Loop, "probe_closure", fail)
    with pytest.raises(RuntimeError):
        drain()
    assert Heartbeat.load("default").finished_at is not None


def test_it_takes_the_request_for_it_off_before_its_first_claim(conversion, in_flight):
    later = db_now("default") + HOUR
    Wakeup.write("default", requested_until=later)
    contact()
    seen = []
    in_flight(lambda: seen.append(Wakeup.load("default").requested_until))
    drain()
    assert seen == [None]


def test_in_no_time_it_begins_no_call_and_what_is_left_is_for_the_next(conversion):
    contact()
    assert drain(0) == DrainReport()
    assert conversion.calls == []


def test_it_ends_in_time_and_asks_for_another(conversion, one_at_a_time, settings, monkeypatch):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "BATCH_SIZE": 1}
    many(20)
    # Time passes with the calls: there is enough for three of them.
    monkeypatch.setattr(Run, "time_left", lambda run: 3.0 - run.made)
    report = drain()
    assert (report.rows, report.calls) == (3, 3)
    assert report.go_on


def test_without_progress_it_asks_for_no_other(conversion):
    contact()
    Gate().report(None)
    ApiGate.write("default", next_slot_at=db_now("default") + 20 * SECOND)
    report = drain(0.1)
    assert (report.rows, report.go_on) == (0, False)


def test_it_ends_when_it_is_told_to(conversion, one_at_a_time, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "BATCH_SIZE": 1}
    many(5)
    report = drain(stop=lambda: len(conversion.calls) >= 2)
    assert report.calls == 2
    assert Contact.objects.filter(sync_status=Status.SYNCED).count() == 2


def test_it_waits_out_a_block_that_is_shorter_than_its_time(conversion):
    contact()
    ApiGate.write("default", blocked_until=db_now("default") + 0.3 * SECOND)
    report = drain(5)
    assert report.synced == 1


def test_it_does_not_wait_out_a_block_that_is_longer(conversion):
    row = contact()
    ApiGate.write("default", blocked_until=db_now("default") + MINUTE)
    began = time.monotonic()
    assert drain(MINUTE.total_seconds() / 2) == DrainReport()
    assert time.monotonic() - began < PROMPT
    assert fresh(row).sync_status == Status.PENDING


def test_it_stops_waiting_when_it_is_told_to(conversion):
    contact()
    ApiGate.write("default", blocked_until=db_now("default") + 40 * SECOND)
    began = time.monotonic()
    drain(60, stop=lambda: time.monotonic() - began > 0.3)
    assert time.monotonic() - began < PROMPT


@pytest.mark.parametrize(
    "setting", [{"ENABLED": False}, {"API_KEY": ""}, {"BASE_URL": "http://a.example/"}]
)
def test_where_nothing_can_be_sent_the_rows_wait(conversion, settings, setting):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, **setting}
    row = contact()
    report = drain()
    assert (report.calls, report.synced, report.go_on) == (0, 0, False)
    assert (fresh(row).sync_status, fresh(row).attempts) == (Status.PENDING, 0)
    assert fresh(row).claim is None
    assert conversion.calls == []


def test_a_paused_gate_is_respected(conversion):
    row = contact()
    Gate().pause("Eve")
    assert drain() == DrainReport()
    Gate().resume()
    drain()
    assert fresh(row).sync_status == Status.SYNCED


def test_what_is_due_later_is_not_ready(conversion):
    row = company()
    write(row, due_at=db_now("default") + datetime.timedelta(seconds=30))
    assert not anything_ready()
    write(row, due_at=db_now("default") - SECOND)
    assert anything_ready()


def test_a_bulk_load_does_not_hold_up_what_a_person_waits_for(
    conversion, one_at_a_time, settings, in_flight
):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "BATCH_SIZE": 2}
    Contact.objects.bulk_create([Contact(email=f"c{n}@x.example") for n in range(10)])
    in_flight(contact)
    drain()
    assert conversion.calls[1].keys[0] == ANN


def test_rows_that_need_no_call_are_progress_too(conversion, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "BATCH_SIZE": 2}
    Company.objects.bulk_create([Company(external_id=str(n)) for n in range(6)])
    drain()
    calls = len(conversion.calls)
    Company.objects.update(industry="")
    heard: list[int] = []
    report = drain(on_progress=heard.append)
    assert (report.rows, report.calls, heard) == (6, 0, [2, 2, 2])
    assert len(conversion.calls) == calls
    assert not Company.objects.exclude(sync_status=Status.SYNCED).exists()


def test_what_waits_between_its_calls_leaves_no_room_to_others(conversion, settings, monkeypatch):
    """A deletion asks, waits for its next slot, and deletes; a company is due meanwhile."""
    row = contact()
    push()
    row.delete()
    company()
    options = {"CONCURRENCY": 1, "RATE_LIMIT": 5}
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, **options}
    made = CallsUnderWay(Client.make)
    monkeypatch.setattr(Client, "make", made)
    drain()
    assert made.most == 1
    assert not conversion.contacts
    assert len(conversion.companies) == 1


def test_a_database_that_fails_costs_no_answer_of_a_call_on_its_way(conversion, monkeypatch):
    conversion.app.troubles.latency = 0.8
    row, real, raised = contact(), what_is_due, list[OperationalError]()
    made = CallsUnderWay(Client.make)

    def due(using: str) -> Any:
        if made.most and not raised:
            raised.append(OperationalError("gone"))
            raise raised[0]
        return real(using)

    monkeypatch.setattr(Client, "make", made)
    monkeypatch.setattr(turns, "due", due)
    report = drain()
    assert raised
    assert (fresh(row).sync_status, report.synced, report.calls) == (Status.SYNCED, 1, 1)


def test_a_database_that_stays_away_ends_the_drain(conversion, settings, monkeypatch):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "CALL_DEADLINE": 0.5}
    contact()

    def due(using: str) -> Any:
        raise OperationalError("gone")

    monkeypatch.setattr(turns, "due", due)
    with pytest.raises(OperationalError, match="gone"):
        drain()


class CallsUnderWay:
    """Makes calls, a deletion slowly, and counts how many of them there are at once."""

    def __init__(self, make: Any) -> None:
        self._make, self._lock = make, threading.Lock()
        self._now = self.most = 0

    def __get__(self, client: Any, owner: Any) -> Any:
        return partial(self, client)

    def __call__(self, client: Client, request: Request[Any], **options: Any) -> Any:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            time.sleep(0.6 * (request.method == "DELETE"))
            return self._make(client, request, **options)
        finally:
            with self._lock:
                self._now -= 1
