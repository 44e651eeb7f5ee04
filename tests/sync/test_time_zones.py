"""A site with zones and one without: what is waited for is an instant, in summer time and out."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection, models
from django.utils import timezone

from conversion_sync.models import ApiCall, ApiGate, Contact, Engagement, Heartbeat
from conversion_sync.models.clock import db_now
from conversion_sync.models.fields import InstantField
from conversion_sync.models.fields.times import instant
from conversion_sync.sync.gate import Gate, Slots
from tests.kit import HOUR, MINUTE, SECOND, contact, engagement, fresh, push, write

pytestmark = pytest.mark.django_db

NEW_YORK = ZoneInfo("America/New_York")

#: When clocks go back and forth: 01:00 to 02:00 occurs twice, 02:00 to 03:00 does not occur.
BACK = datetime.datetime(2026, 11, 1, 6, tzinfo=datetime.UTC)
FORTH = datetime.datetime(2026, 3, 8, 7, tzinfo=datetime.UTC)


def test_all_times_by_which_the_app_works_are_instants():
    plain = {
        (model.__name__, field.name)
        for model in apps.get_app_config("conversion_sync").get_models()
        for field in model._meta.fields
        if field.get_internal_type() == "DateTimeField"
        and not isinstance(field, InstantField)
        # When a row was written, and what people enter: no rule of sending uses these.
        and field.name not in ("created_at", "updated_at", "changed_at", "occurred_at")
    }
    assert not plain


def test_the_clock_of_the_database_is_the_one_of_the_world():
    now = db_now("default")
    assert abs(now - datetime.datetime.now(datetime.UTC)) < HOUR / 2
    assert now.utcoffset() == datetime.timedelta(0)


@pytest.mark.parametrize("turn", [BACK, FORTH], ids=["back", "forth"])
@pytest.mark.parametrize("minutes", [-90, -60, -30, 0, 30, 60, 90])
def test_an_instant_comes_back_as_it_was_written(turn, minutes):
    moment = turn + minutes * MINUTE
    row = contact()
    write(row, due_at=moment)
    found = fresh(row)
    assert found.due_at == moment
    assert found.due_at + HOUR == moment + HOUR
    assert found.due_at - (turn - HOUR) == moment - (turn - HOUR)
    assert Contact.objects.filter(due_at=moment).count() == 1
    assert Contact.objects.filter(due_at__lt=moment - SECOND).count() == 0
    assert Contact.objects.values_list("due_at", flat=True).get() == moment
    models.QuerySet(Contact).bulk_update([found], ["due_at"])
    assert fresh(row).due_at == moment


def test_a_naive_time_is_one_of_the_site(settings):
    row = contact()
    write(row, due_at=BACK)
    naive = timezone.make_naive(BACK, timezone.get_default_timezone())
    if settings.USE_TZ:
        assert timezone.is_aware(fresh(row).due_at)
    else:
        assert Contact.objects.filter(due_at=naive).exists()
        assert fresh(row).due_at.replace(tzinfo=None) == naive


@pytest.mark.skipif(settings.USE_TZ, reason="USE_TZ=0: a site without zones")
class TestWithoutZones:
    def test_of_an_hour_that_occurs_twice_each_has_its_slots(self, monkeypatch, conversion):
        """The local clock says 01:30 twice: what was reserved before is over, or still to come."""
        now = [BACK - 30 * MINUTE]
        monkeypatch.setattr("conversion_sync.sync.gate.gate.db_now", lambda using: now[0])
        gate = Gate()
        assert isinstance(gate.take(), Slots)
        ApiGate.write("default", blocked_until=BACK + MINUTE, blocked_reason="RATE_LIMIT_EXCEEDED")
        now[0] = BACK + 30 * SECOND
        assert gate.state().status == "waiting"
        now[0] = BACK + 2 * MINUTE
        # To the first one, whose own clock has stood still, that of the database was set.
        assert isinstance(Gate().take(), Slots)

    @pytest.mark.parametrize(
        ("local", "sent"),
        [
            (datetime.datetime(2026, 7, 1, 12), "2026-07-01T16:00:00+00:00"),
            (datetime.datetime(2026, 1, 1, 12), "2026-01-01T17:00:00+00:00"),
            # It occurs twice: the first one, unless ``fold`` says otherwise.
            (datetime.datetime(2026, 11, 1, 1, 30), "2026-11-01T05:30:00+00:00"),
            # It does not occur.
            (datetime.datetime(2026, 3, 8, 2, 30), "2026-03-08T07:30:00+00:00"),
            # As programs write it.
            (datetime.datetime(2026, 7, 1, 16, tzinfo=datetime.UTC), "2026-07-01T16:00:00+00:00"),
        ],
    )
    def test_when_something_occurred_is_sent_as_an_instant(self, conversion, local, sent):
        row = engagement(contact(), occurred_at=local)
        assert timezone.is_naive(fresh(row).occurred_at)
        assert push().failed == 0
        [made] = conversion.engagements
        assert made["data"]["occurred_at"] == sent
        assert Engagement.objects.get().sync_status == "SYNCED"

    def test_what_the_app_notes_is_now(self, conversion):
        row = contact()
        push()
        now, found = db_now("default"), fresh(row)
        for moment in (found.last_synced_at, found.last_attempt_at, found.remote_created_at):
            assert timezone.is_aware(moment)
            assert abs(now - moment) < HOUR / 2
        assert abs(now - instant(found.updated_at)) < HOUR / 2
        assert abs(now - ApiCall.objects.latest("pk").started_at) < HOUR / 2
        beat = Heartbeat.load("default")
        assert abs(now - beat.finished_at) < HOUR / 2

    def test_the_session_of_the_database_is_in_the_sites_zone_where_it_has_one(self):
        if connection.vendor == "postgresql":
            assert connection.timezone_name == "America/New_York"
        assert timezone.get_default_timezone() == NEW_YORK
