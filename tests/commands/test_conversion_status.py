"""``conversion_status``: a table for people, JSON for programs, a status for monitors."""

from __future__ import annotations

import datetime
import io
import json

import pytest
from django.core.management import call_command
from django.utils import timezone

from conversion_sync.models import Contact, Engagement, Heartbeat, Status
from conversion_sync.status import counts, estimates
from conversion_sync.sync.gate import Gate

pytestmark = pytest.mark.django_db

HOUR = datetime.timedelta(hours=1)


@pytest.fixture(autouse=True)
def key(settings):
    settings.CONVERSION_SYNC = {"API_KEY": "secret-key"}


def run(**options: object) -> str:
    out = io.StringIO()
    call_command("conversion_status", stdout=out, **options)
    return out.getvalue()


def old_contact() -> Contact:
    contact: Contact = Contact.objects.create(email="ann@x.example")
    Contact.unmarked.filter(pk=contact.pk).update(due_at=timezone.now() - HOUR)
    return contact


def cells(out: str, label: str) -> list[str]:
    return next(line for line in out.splitlines() if line.startswith(label)).split()


def test_the_table_counts_rows_by_kind_and_status():
    contact = Contact.objects.create(email="ann@x.example")
    Contact.objects.create(email="bob@x.example")
    Contact.unmarked.filter(pk=contact.pk).update(sync_status=Status.FAILED, due_at=None)
    Contact.unmarked.filter(email="bob@x.example").update(last_error_code="NOT_SENT", attempts=1)
    Engagement.objects.create(contact=contact, name="Call", description="Talked")
    out = run()
    assert out.splitlines()[0].split() == ["pending", "failed", "retrying", "in", "all"]
    assert cells(out, "contacts") == ["contacts", "1", "1", "1", "2"]
    assert cells(out, "engagements") == ["engagements", "1", "0", "0", "1"]
    assert cells(out, "deletions") == ["deletions", "0", "0", "0", "0"]


def test_what_is_too_much_to_be_counted_is_marked_as_an_estimate(monkeypatch):
    monkeypatch.setattr(estimates, "EXACT", 0)
    monkeypatch.setattr(counts, "table_sizes", lambda models, using: dict.fromkeys(models, 2000))
    contact = Contact.objects.create(email="ann@x.example")
    Contact.unmarked.filter(pk=contact.pk).update(sync_status=Status.SYNCED, due_at=None)
    Contact.objects.create(email="bob@x.example")
    assert cells(run(), "contacts") == ["contacts", "1", "~1,999", "0", "~2,000"]


def test_without_rows_all_is_quiet():
    out = run()
    assert "Oldest due row: none." in out
    assert "The gate is open." in out
    assert "Last drain: never." in out
    assert "Nobody" not in out


def test_nobody_working_while_rows_wait_is_said_and_is_status_2():
    old_contact()
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("conversion_status", stdout=out)
    assert ended.value.code == 2
    assert "Oldest due row: due for 1 h (contacts); 1 due in all." in out.getvalue()
    assert "Nobody is working" in out.getvalue()
    assert "conversion_push --forever" in out.getvalue()


def test_json_has_the_same_and_the_same_status():
    old_contact()
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("conversion_status", json=True, stdout=out)
    assert ended.value.code == 2
    state = json.loads(out.getvalue())
    assert state["working"] is False
    assert state["due"] == 1
    assert state["gate"]["status"] == "open"
    assert state["last_drain"]["started_at"] is None
    (contacts,) = (kind for kind in state["kinds"] if kind["name"] == "contact")
    assert contacts["counts"] == {"PENDING": 1}
    assert contacts["synced_is_exact"] is True
    assert contacts["errors"] == []
    assert contacts["oldest_due"] == state["oldest_due"]
    assert "secret-key" not in out.getvalue()


def test_a_drain_that_ran_lately_is_somebody_working():
    old_contact()
    Heartbeat.write(
        "default",
        started_at=timezone.now(),
        finished_at=timezone.now(),
        worker="host:1",
        rows=1200,
        calls=6,
    )
    out = run()
    assert "(host:1), 1,200 rows, 6 calls." in out
    Heartbeat.write("default", rows=1, calls=1)
    assert "(host:1), 1 row, 1 call." in run()
    assert "Nobody" not in out


def test_where_sending_is_off_nobody_has_to_work(settings):
    settings.CONVERSION_SYNC = {"ENABLED": False}
    old_contact()
    assert "Sending is disabled" in run()


def test_a_drain_that_has_not_ended_is_told_apart():
    Heartbeat.write("default", started_at=timezone.now(), worker="host:1")
    assert "(host:1), and has not ended." in run()


def test_a_paused_and_a_closed_gate_are_explained():
    Gate().pause("Mia")
    assert "by Mia." in run()
    Gate().resume()
    Gate().close("UNAUTHORIZED")
    out = run()
    assert "The gate is closed since" in out
    assert "(UNAUTHORIZED): set an API key" in out
