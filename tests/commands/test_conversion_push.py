"""``conversion_push``: rows arrive, and what does not is explained."""

from __future__ import annotations

import datetime
import io
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import InterfaceError, OperationalError, ProgrammingError, connection, connections
from django.utils import timezone

from conversion_sync.models import (
    ApiCall,
    Company,
    Contact,
    Deletion,
    Engagement,
    Heartbeat,
    Status,
    attributed,
)
from conversion_sync.sync import drain as drain_module
from conversion_sync.sync import worker as worker_module
from conversion_sync.sync.gate import Gate
from conversion_sync.sync.run import Run
from conversion_sync.sync.worker import Worker, push

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[2]


def run() -> str:
    out = io.StringIO()
    call_command("conversion_push", stdout=out)
    return out.getvalue()


def wait_until(condition) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_what_is_ready_arrives_and_nothing_waits(conversion):
    contact = Contact.objects.create(email="ann@x.example", subscription_status="SUBSCRIBED")
    Company.objects.create(external_id="C1")
    Engagement.objects.create(contact=contact, name="Call", description="Talked")
    out = run()
    assert "4 rows arrived in " in out
    assert "Not arrived" not in out
    assert set(conversion.contacts) == {"ann@x.example"}
    assert len(conversion.engagements) == 1
    assert Contact.objects.get().sync_status == Status.SYNCED


def test_more_than_one_drain_can_send_is_sent_all_the_same(conversion, settings, monkeypatch):
    settings.CONVERSION_SYNC |= {"BATCH_SIZE": 1, "RATE_LIMIT": 20}
    # Time passes with the calls: a drain has enough for some of them.
    monkeypatch.setattr(Run, "time_left", lambda run: 5.0 - (run.made - run.made_before))
    Contact.objects.bulk_create(Contact(email=f"c{n}@x.example") for n in range(20))
    assert push().synced == 20
    assert len(conversion.contacts) == 20


def test_the_progress_is_told_row_by_row(conversion):
    Contact.objects.bulk_create(Contact(email=f"c{n}@x.example") for n in range(3))
    told: list[int] = []
    push(on_progress=told.append)
    assert sum(told) == 3


def test_rows_that_fail_end_it_with_status_1(conversion):
    Contact.objects.create(email="ann@x.example")
    conversion.fail("400", count=None)
    out = io.StringIO()
    with pytest.raises(CommandError, match=r"1 row failed\.") as failure:
        call_command("conversion_push", stdout=out)
    assert failure.value.returncode == 1
    assert "1 contact: failed: see the error" in out.getvalue()
    # They failed then, not now.
    assert "1 contact: failed" in run()


def test_what_waits_for_another_try_says_when(conversion):
    Contact.objects.create(email="ann@x.example")
    conversion.fail("500", count=1)
    out = run()
    assert "1 contact: will be tried again, in " in out


def test_an_engagement_says_that_it_waits_for_its_contact(conversion):
    contact = Contact.objects.create(email="ann@x.example")
    Engagement.objects.create(contact=contact, name="Call", description="Talked")
    conversion.fail("500", count=1)
    assert "1 engagement: waiting for the contact" in run()


def test_a_contact_says_that_a_failed_deletion_holds_it_up(conversion):
    Contact.objects.create(email="ann@x.example")
    Deletion.objects.create(kind="contact", key="ann@x.example")
    Deletion.unmarked.update(sync_status=Status.FAILED, due_at=None)
    assert "1 contact: waiting for a deletion of the same key, which failed" in run()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"ENABLED": False}, "Sending is disabled: CONVERSION_SYNC['ENABLED'] is False."),
        ({"API_KEY": ""}, "There is no API key: set CONVERSION_SYNC['API_KEY']."),
    ],
)
def test_settings_that_forbid_sending_are_named(conversion, settings, changes, why):
    settings.CONVERSION_SYNC |= changes
    Contact.objects.create(email="ann@x.example")
    out = run()
    assert why in out
    assert "1 contact: waiting to be sent" in out
    assert not conversion.calls


def test_a_paused_gate_says_by_whom(conversion):
    Contact.objects.create(email="ann@x.example")
    Gate().pause("Mia")
    assert "The gate is paused since" in (out := run())
    assert "by Mia" in out
    assert not conversion.calls


def test_a_key_that_is_refused_closes_the_gate_and_it_says_so(conversion, settings):
    conversion.app.keys = frozenset({"another"})
    Contact.objects.create(email="ann@x.example")
    conversion.fail("401", count=None)
    out = run()
    assert "The gate is closed since" in out
    assert "UNAUTHORIZED" in out
    assert "test-key" not in out


# For ever


@pytest.fixture
def worker():
    """A worker in a thread of its own."""
    worker = Worker(poll=0.05, sweep=60)

    def run() -> None:
        try:
            worker.run()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    yield worker
    worker.stop()
    thread.join(20)
    assert not thread.is_alive()


def synced() -> int:
    return len(Contact.objects.filter(sync_status=Status.SYNCED))


def test_a_worker_sends_what_is_saved_while_it_runs(conversion, worker):
    for number in range(3):
        Contact.objects.create(email=f"c{number}@x.example")
        wait_until(lambda number=number: synced() == number + 1)


def test_a_worker_leaves_a_heartbeat_although_nothing_is_due(conversion, worker):
    wait_until(lambda: Heartbeat.objects.filter(finished_at__isnull=False).exists())


def test_a_worker_prunes_the_call_log(conversion):
    long_ago = timezone.now() - datetime.timedelta(days=31)
    ApiCall.objects.create(endpoint="POST /contacts/batch", started_at=long_ago)
    worker = Worker(poll=0.05)
    worker._turn()
    assert not ApiCall.objects.exists()


def test_a_worker_sends_nothing_through_a_paused_gate_and_goes_on_when_it_opens(conversion, worker):
    wait_until(lambda: Heartbeat.objects.filter(finished_at__isnull=False).exists())
    Gate().pause("Mia")
    Contact.objects.create(email="ann@x.example")
    time.sleep(0.5)
    assert not conversion.contacts
    Gate().resume()
    wait_until(lambda: synced() == 1)


@pytest.mark.parametrize("error", [OperationalError, ProgrammingError, InterfaceError])
def test_a_worker_waits_for_a_database_that_is_gone(conversion, monkeypatch, error, caplog):
    failures = iter([error("gone"), error("still gone")])
    real = drain_module.drain

    def drain(**options):
        for failure in failures:
            raise failure
        return real(**options)

    monkeypatch.setattr(worker_module, "drain", drain)
    monkeypatch.setattr(worker_module, "RETRY_AFTER", 0.05)
    Contact.objects.create(email="ann@x.example")
    worker = Worker(poll=0.05)

    def run() -> None:
        try:
            worker.run()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_until(lambda: synced() == 1)
    finally:
        worker.stop()
        thread.join(20)
    assert "The database failed: still gone" in caplog.text


def test_a_worker_does_not_hide_other_errors(conversion, monkeypatch):
    def drain(**options):
        raise ZeroDivisionError

    monkeypatch.setattr(worker_module, "drain", drain)
    Contact.objects.create(email="ann@x.example")
    with pytest.raises(ZeroDivisionError):
        Worker().run()


def test_two_workers_send_each_row_once(conversion):
    contact = Contact.objects.create(email="ann@x.example")
    with attributed(bulk=True):
        Engagement.objects.bulk_create(
            Engagement(contact=contact, name="Call", description=f"{n}") for n in range(40)
        )
    workers = [Worker(poll=0.05), Worker(poll=0.05)]

    def run(worker: Worker) -> None:
        try:
            worker.run()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    wait_until(lambda: Engagement.objects.filter(sync_status=Status.SYNCED).count() == 40)
    for worker, thread in zip(workers, threads, strict=True):
        worker.stop()
        thread.join(20)
    assert len(conversion.engagements) == 40


def test_it_may_be_called_on_another_thread(conversion):
    Contact.objects.create(email="ann@x.example")

    def call() -> str:
        try:
            return run()
        finally:
            connections.close_all()

    with ThreadPoolExecutor() as pool:
        assert "1 row arrived in " in pool.submit(call).result(30)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_forever_sends_and_ends_in_order_on_a_signal(conversion, number):
    if connection.vendor != "sqlite":
        name = connection.settings_dict["NAME"]
        url = os.environ["DATABASE_URL"].rsplit("/", 1)[0] + f"/{name}"
    else:
        url = f"sqlite:///{connection.settings_dict['NAME']}"
    Contact.objects.create(email="ann@x.example")
    process = subprocess.Popen(
        [sys.executable, "manage.py", "conversion_push", "--forever"],
        cwd=ROOT,
        env=os.environ
        | {
            "DATABASE_URL": url,
            "DEBUG": "1",
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "IGNORE_DOT_ENV": "1",
            "CONVERSION_API_KEY": "test-key",
            "CONVERSION_BASE_URL": conversion.base_url,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wait_until(lambda: synced() == 1)
        process.send_signal(number)
        printed, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0
    assert printed.rstrip().endswith("Stopped.")
    assert "Traceback" not in printed
