"""What the app keeps of its own working."""

from __future__ import annotations

import pytest
from django.db import transaction

from conversion_sync.models import ApiCall, ApiGate, BulkJob, Heartbeat, Wakeup
from conversion_sync.models.clock import db_now

pytestmark = pytest.mark.django_db

ONE_ROW = pytest.mark.parametrize("model", [ApiGate, Heartbeat, Wakeup])


@ONE_ROW
def test_there_is_one_row_that_is_made_when_it_is_asked_for(model):
    model._default_manager.all().delete()
    with transaction.atomic():
        assert model.load("default", lock=True).pk == 1
    assert model.load("default").pk == 1
    assert model._default_manager.count() == 1


@ONE_ROW
def test_the_one_row_has_a_name(model):
    assert str(model.load("default")) == model._meta.verbose_name


def test_a_column_is_written_whether_or_not_the_row_is_there():
    Heartbeat._default_manager.all().delete()
    for rows in (3, 4):
        Heartbeat.write("default", rows=rows)
        assert Heartbeat.load("default").rows == rows


def test_a_call_says_what_it_was():
    call = ApiCall(endpoint="POST /contacts/batch", rows=200, started_at=db_now("default"))
    assert str(call) == "POST /contacts/batch (200)"


def test_a_job_says_how_far_it_is():
    job = BulkJob(action=BulkJob.Action.SYNC_NOW, done=3, total=9)
    assert str(job) == "Sync now (3/9)"
