"""The upgrade has the column of each contact say what stands in the log, and nothing else."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.state import ProjectState

from conversion_sync.models import Contact, SubscriptionChange, attributed
from tests.kit import ANN, BOB, contact, fresh, synced_contact, write

pytestmark = pytest.mark.django_db

migration = import_module("conversion_sync.migrations.0013_consent_as_it_stands")

OUT, IN = "UNSUBSCRIBED", "SUBSCRIBED"


class Editor:
    connection = connection


def upgrade() -> None:
    migration.say_what_stands(ProjectState.from_apps(apps).apps, Editor())


def as_before(row: Contact, status: str) -> None:
    """An earlier release wrote what was asked for."""
    write(row, subscription_status=status)


def test_a_blocked_wish_is_no_longer_shown_as_what_stands(monkeypatch):
    monkeypatch.setattr(migration, "STEP", 1)
    rows = [contact(f"p{n}@x.example", subscription_status=OUT) for n in range(3)]
    for row in rows:
        row.subscription_status = IN
        row.save()
        as_before(row, IN)
    gone = contact(subscription_status=OUT)
    gone.delete()
    back = contact(ANN)
    as_before(back, "")
    for _ in range(2):
        upgrade()
    assert {fresh(row).subscription_status for row in [*rows, back]} == {OUT}
    assert SubscriptionChange.objects.count() == 7


def test_what_was_lifted_stays_so(conversion):
    row, other = synced_contact(subscription_status=OUT), contact(BOB, subscription_status=IN)
    with attributed(override=True, reason="She asked."):
        row.subscription_status = IN
        row.save()
    upgrade()
    assert {fresh(row).subscription_status, fresh(other).subscription_status} == {IN}


def test_the_upgrade_marks_no_row_as_due(conversion):
    row = synced_contact(subscription_status=OUT)
    as_before(row, IN)
    upgrade()
    found = fresh(row)
    assert (found.subscription_status, found.sync_status, found.due_at) == (OUT, "SYNCED", None)
