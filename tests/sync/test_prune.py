"""Keeping the call log short."""

from __future__ import annotations

import pytest

from conversion_sync.models import ApiCall, BulkJob, Heartbeat, MirrorLink
from conversion_sync.models.clock import db_now
from conversion_sync.sync import prune as prune_module
from conversion_sync.sync.prune import prune, prune_now_and_then
from tests.kit import DAY, HOUR, contact, fresh, logged_call, push

pytestmark = pytest.mark.django_db


def test_what_is_older_than_the_setting_says_goes(settings):
    settings.CONVERSION_SYNC = {"CALL_LOG_DAYS": 7}
    logged_call(8 * DAY)
    kept = logged_call(6 * DAY)
    assert prune() == 1
    assert list(ApiCall.objects.all()) == [kept]


def test_the_caller_may_name_the_days():
    logged_call(2 * DAY)
    assert prune(3) == 0
    assert prune(1) == 1


def test_many_lines_go_in_steps_and_no_more_than_asked_for(monkeypatch):
    monkeypatch.setattr(prune_module, "ROWS_AT_ONCE", 2)
    for _ in range(7):
        logged_call(40 * DAY)
    assert prune(most=3) == 4
    assert prune() == 3


def test_a_row_outlives_the_line_of_its_last_call(conversion):
    row = contact()
    push()
    ApiCall.objects.update(started_at=db_now("default") - 40 * DAY)
    assert prune() == 1
    assert fresh(row).last_call_id is not None
    assert fresh(row).sync_status == "SYNCED"


def test_an_ended_job_goes_too_and_one_that_runs_stays():
    now = db_now("default")
    _old, young, running = (
        BulkJob.objects.create(action="compare", model="conversion_sync.Contact", finished_at=at)
        for at in (now - 40 * DAY, now - DAY, None)
    )
    prune()
    assert list(BulkJob.objects.order_by("pk")) == [young, running]


def test_it_is_done_once_an_hour():
    logged_call(40 * DAY)
    assert prune_now_and_then() == 1
    logged_call(40 * DAY)
    assert prune_now_and_then() == 0
    Heartbeat.write("default", pruned_at=db_now("default") - HOUR)
    assert prune_now_and_then() == 1


def test_sources_that_have_gone_are_known_for_a_day():
    now, state = db_now("default"), MirrorLink.State
    links = {
        name: MirrorLink.objects.create(
            mirror="shop.M", source=name, kind="contact", state=state_of, left_at=at
        )
        for name, state_of, at in (
            ("old", state.GONE, now - 2 * DAY),
            ("never there", state.GONE, None),
            ("young", state.GONE, now - HOUR),
            ("excluded", state.EXCLUDED, now - 2 * DAY),
        )
    }
    prune()
    left = {link.source for link in MirrorLink.objects.all()}
    assert left == {*links} - {"old", "never there"}
