"""Times and numbers as the reader's language has them; commands have one plain style."""

from __future__ import annotations

import datetime
import importlib
import pkgutil

import django.conf.locale
import pytest
from django.utils import translation

from conversion_sync.admin.badges import badge
from conversion_sync.admin.lists.cells import moment
from conversion_sync.models import Engagement
from conversion_sync.models.messages import Message, stored
from conversion_sync.status import times
from conversion_sync.status.messages import in_words
from conversion_sync.status.numbers import grouped
from conversion_sync.status.plain import plain
from conversion_sync.status.verdict import Facts, verdict
from conversion_sync.sync.gate import GateState
from tests.kit import in_utc

AT = datetime.datetime(2026, 11, 24, 16, 58, 7, tzinfo=datetime.UTC)
SOON, NEXT_DAY, NEXT_YEAR = (AT + datetime.timedelta(days=days, minutes=4) for days in (0, 1, 40))

LANGUAGES = [
    "de",
    *sorted(
        each.name.replace("_", "-").lower()
        for each in pkgutil.iter_modules(django.conf.locale.__path__)
    ),
]

TABLE = {
    "en-us": (
        "4:58 p.m.",
        "4:58:07 p.m.",
        "11/24/2026 4:58 p.m.",
        "Nov. 24, 2026, 4:58:07 p.m. UTC",
        "1,240",
    ),
    "de": (
        "16:58",
        "16:58:07",
        "24.11.2026 16:58",
        "24. November 2026 16:58:07 UTC",
        "1.240",
    ),
    "fi": ("16.58", "16.58.07", "24.11.2026 16.58", "24. marraskuuta 2026 kello 16.58.07 UTC", ""),
}


def test_a_site_that_says_so_reads_numbers_without_signs_between_their_digits(settings):
    assert grouped(1240) == "1,240"
    settings.USE_THOUSAND_SEPARATOR = False
    assert grouped(1240) == "1240"
    settings.USE_THOUSAND_SEPARATOR = True
    assert grouped(1240) == "1,240"


@in_utc
@pytest.mark.parametrize("language", TABLE)
def test_times_are_in_the_format_of_the_language(language):
    today, to_the_second, another_day, exact, number = TABLE[language]
    with translation.override(language):
        assert times.since(AT, SOON) == times.time_of_day(AT) == today
        assert times.since(AT, SOON, seconds=True) == to_the_second
        assert times.since(AT, NEXT_DAY) == times.since(AT, NEXT_YEAR) == another_day
        assert times.exact(AT) == exact or not exact
        assert grouped(1240).replace("\xa0", " ") == number or not number


@pytest.mark.parametrize("language", LANGUAGES)
def test_in_each_language_that_django_has_seconds_stand_once_and_the_zone_at_the_end(language):
    importlib.import_module("django.conf.locale")
    with translation.override(language):
        one, another = times.exact(AT), times.exact(AT + datetime.timedelta(seconds=1))
    assert one.count("07") == another.count("08") >= 1
    assert one.replace("07", "08") == another
    assert one.endswith("UTC")
    assert one.count("UTC") == 1


@in_utc
@pytest.mark.parametrize(("language", "day"), [("en-us", "11/24/2026"), ("de", "24.11.2026")])
def test_a_date_is_in_the_format_of_the_language(language, day):
    with translation.override(language):
        assert day in times.ago(AT, NEXT_YEAR)


@in_utc
@pytest.mark.parametrize(("language", "clock"), [("en-us", "4:58 p.m."), ("de", "16:58")])
def test_so_are_the_banner_the_badge_and_the_cells_of_lists(language, clock):
    paused = Facts(SOON, gate=GateState("paused", reason="anna", since=AT))
    doubtful = Engagement(sync_status="UNCONFIRMED", due_at=None, last_attempt_at=AT)
    with translation.override(language):
        assert verdict(paused).words == f"Paused by anna since {clock}".rstrip(".") + "."
        assert clock in badge(doubtful, SOON, None).words
        assert clock in moment(AT)
        assert times.exact(AT) in moment(AT)


@in_utc
def test_what_was_stored_of_a_time_is_read_in_the_readers_format():
    before = stored(Message.HAPPENED_BEFORE, since=AT.isoformat(" ", "minutes"))
    with translation.override("de"):
        assert in_words(before) == "It happened before 24.11.2026 16:58."
    with translation.override("en-us"):
        assert in_words(before) == "It happened before 11/24/2026 4:58 p.m."
    assert in_words(stored(Message.HAPPENED_BEFORE, since="once")) == "It happened before once."


@pytest.mark.parametrize("language", ["en-us", "de"])
def test_commands_have_one_plain_style_whatever_the_language(language):
    paused = Facts(NEXT_YEAR, gate=GateState("paused", reason="anna", since=AT), moving=1240)
    with translation.override(language), plain():
        assert verdict(paused).words == (
            "Paused by anna since 2026-11-24 16:58 UTC: 1,240 rows wait, nothing is lost."
        )
