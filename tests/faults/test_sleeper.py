"""A process that is stopped after its claim, and goes on when its lease is over."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conversion_sync.models import Contact, Engagement, SubscriptionChange
from conversion_sync.sandbox import Sandbox
from conversion_sync.sync.drain import drain
from tests.faults.conftest import API_KEY
from tests.faults.kit import ADA, MARKS, later, until_idle
from tests.faults.test_rate import database_url

pytestmark = [
    *MARKS,
    pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no such signal here"),
]

ROOT = Path(__file__).resolve().parents[2]

LEASE = 60.0


@contextlib.contextmanager
def stopped(box: Sandbox, model: str) -> Iterator[None]:
    """A worker that has claimed rows of the model, and sleeps until the block ends."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "IGNORE_DOT_ENV": "1",
        "SECRET_KEY": "for this process only",
        "DEBUG": "0",
        "DATABASE_URL": database_url(),
        "CONVERSION_API_KEY": API_KEY,
        "CONVERSION_BASE_URL": box.base_url,
    }
    command = [sys.executable, "-m", "tests.faults.sleeper", model]
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), "It ended without having claimed anything."
        yield
        process.send_signal(signal.SIGCONT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def ada() -> Contact:
    row: Contact = Contact.objects.create(email=ADA, first_name="Ada")
    until_idle()
    return row


def calls(box: Sandbox, method: str, path: str) -> int:
    return sum(call.method == method and call.path.startswith(path) for call in box.calls)


def test_a_late_deletion_does_not_remove_a_contact_that_has_come_back(box: Sandbox):
    ada().delete()
    with stopped(box, "Deletion"):
        later(LEASE)
        until_idle()
        assert ADA not in box.contacts
        ada()
        assert ADA in box.contacts
    assert ADA in box.contacts
    assert calls(box, "DELETE", "/contacts") == 1


def test_a_late_subscription_does_not_undo_an_opt_out(box: Sandbox):
    row = ada()
    row.subscription_status = "SUBSCRIBED"
    row.save()
    with stopped(box, "SubscriptionChange"):
        later(LEASE)
        row.subscription_status = "UNSUBSCRIBED"
        row.save()
        until_idle()
        assert box.contacts[ADA]["subscriptionStatus"] == "UNSUBSCRIBED"
    until_idle()
    assert box.contacts[ADA]["subscriptionStatus"] == "UNSUBSCRIBED"
    assert not SubscriptionChange.objects.waiting().exists()


def test_a_late_upsert_does_not_bring_back_old_values(box: Sandbox):
    row = Contact.objects.create(email=ADA, first_name="Old")
    with stopped(box, "Contact"):
        later(LEASE)
        row.first_name = "New"
        row.save()
        until_idle()
    until_idle()
    assert [body["contacts"][0]["variables"]["first_name"] for body in bodies(box)] == ["New"]


def bodies(box: Sandbox) -> list[dict[str, Any]]:
    return [call.body for call in box.calls if call.path == "/contacts/batch"]


def test_a_late_engagement_is_not_sent_beside_the_decision_of_staff(box: Sandbox):
    Engagement.objects.create(contact=ada(), name="Call", description="They talked.")
    with stopped(box, "Engagement"):
        later(LEASE)
        drain()
        assert Engagement.objects.unconfirmed().mark_as_sent() == 1
    assert len(box.engagements) == 0


def test_what_slept_is_released_and_sent_anew(box: Sandbox):
    """Nobody else was there: the worker that slept sends it itself, once."""
    Engagement.objects.create(contact=ada(), name="Call", description="They talked.")
    with stopped(box, "Engagement"):
        later(LEASE - 10)
    until_idle()
    [row] = Engagement.objects.all()
    assert (row.sync_status, row.attempts, row.failing_since) == ("SYNCED", 0, None)
    assert len(box.engagements) == 1
