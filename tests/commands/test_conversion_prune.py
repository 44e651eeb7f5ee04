"""``conversion_prune``: old lines of the call log go, and say how many."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from conversion_sync.models import ApiCall, Status
from conversion_sync.models.clock import db_now
from tests.kit import DAY, fresh, logged_call, synced_contact

pytestmark = pytest.mark.django_db


def run(*args: str) -> str:
    out = io.StringIO()
    call_command("conversion_prune", *args, stdout=out)
    return out.getvalue()


def test_lines_older_than_the_setting_go(settings):
    settings.CONVERSION_SYNC = {"CALL_LOG_DAYS": 7}
    logged_call(8 * DAY)
    kept = logged_call(6 * DAY)
    assert run() == "Deleted 1 line older than 7 days.\n"
    assert list(ApiCall.objects.all()) == [kept]


def test_by_default_they_are_kept_for_a_month():
    logged_call(31 * DAY)
    kept = logged_call(29 * DAY)
    assert run() == "Deleted 1 line older than 30 days.\n"
    assert list(ApiCall.objects.all()) == [kept]


@pytest.mark.parametrize(("days", "left"), [("3", 1), ("0.5", 0), ("0", 0)])
def test_the_days_may_be_given(days, left):
    logged_call(DAY)
    assert f"older than {days} days" in run("--days", days)
    assert ApiCall.objects.count() == left


@pytest.mark.parametrize("days", ["many", "-1", "nan", "inf", "1e9"])
def test_days_that_can_not_be_meant_are_refused(days):
    logged_call(DAY)
    with pytest.raises(CommandError, match=f"'{days}' is not a number from 0 to 36500"):
        run(f"--days={days}")
    assert ApiCall.objects.count() == 1


def test_rows_keep_what_they_say_of_themselves(conversion):
    row = synced_contact()
    ApiCall.objects.update(started_at=db_now("default") - 40 * DAY)
    run()
    assert not ApiCall.objects.exists()
    assert fresh(row).sync_status == Status.SYNCED


def test_an_empty_log_is_no_error():
    assert run() == "Deleted 0 lines older than 30 days.\n"
