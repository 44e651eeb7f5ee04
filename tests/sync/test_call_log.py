"""The log of calls."""

from __future__ import annotations

import datetime

import pytest
from django.db import DatabaseError
from django.db.models import QuerySet

from conversion_sync.api import CallRecord
from conversion_sync.models import ApiCall
from conversion_sync.sync.call_log import log_calls

pytestmark = pytest.mark.django_db


def record(**columns: object) -> CallRecord:
    given = {
        "endpoint": "POST /contacts/batch",
        "rows": 3,
        "started_at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC).timestamp(),
        "duration": 0.25,
        "status": 500,
        "error_code": "INTERNAL_ERROR",
        "error_message": "a\0b",
        **columns,
    }
    return CallRecord(**given)  # type: ignore[arg-type]


def test_the_log_says_what_was_called_and_how_it_ended():
    lines = log_calls("default", [record(), None, record(endpoint="GET /x")])
    first = ApiCall.objects.get(pk=lines[0] or 0)
    assert lines[1] is None
    assert ApiCall.objects.get(pk=lines[2] or 0).endpoint == "GET /x"
    assert (first.rows, first.duration_ms, first.http_status) == (3, 250, 500)
    assert (first.error_code, first.error_message) == ("INTERNAL_ERROR", "ab")
    assert first.started_at == datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def test_a_log_that_fails_costs_nothing_but_its_lines(monkeypatch):
    def fail(*args, **kwargs):
        raise DatabaseError("full")

    monkeypatch.setattr(QuerySet, "bulk_create", fail)
    assert log_calls("default", [record(), None]) == [None, None]
