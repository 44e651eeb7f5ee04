"""The view of ``settings.CONVERSION_SYNC``."""

from __future__ import annotations

import pytest

from conversion_sync.conf import SETTINGS, conf
from conversion_sync.testing import calls_allowed

NAMES = {
    "API_KEY": ("api_key", ""),
    "BASE_URL": ("base_url", "https://pub-api.conversion.ai/api/v1"),
    "ENABLED": ("enabled", True),
    "BATCH_SIZE": ("batch_size", 200),
    "RATE_LIMIT": ("rate_limit", 10.0),
    "CONCURRENCY": ("concurrency", 24),
    "CALL_DEADLINE": ("call_deadline", 20.0),
    "LEASE": ("lease", 60.0),
    "DRAIN_SECONDS": ("drain_seconds", 30.0),
    "MAX_ATTEMPTS": ("max_attempts", 12),
    "BACKOFF": ("backoff", 30.0),
    "BACKOFF_MAX": ("backoff_max", 14400.0),
    "DELETE_CHANGED_KEYS": ("delete_changed_keys", True),
    "DELETE_REMOTE": ("delete_remote", True),
    "QUEUE": ("queue", "django_q"),
    "QUEUE_NAME": ("queue_name", ""),
    "TASKS_BACKEND": ("tasks_backend", "default"),
    "SWEEP": ("sweep", "queue"),
    "CALL_LOG_DAYS": ("call_log_days", 30.0),
    "STALE_AFTER": ("stale_after", 180.0),
    "SEND_IN_TESTS": ("send_in_tests", False),
}


@pytest.mark.parametrize("given", [{}, None, "missing"])
def test_what_is_not_given_has_a_default(settings, given):
    if given == "missing":
        del settings.CONVERSION_SYNC
    else:
        settings.CONVERSION_SYNC = given
    assert {name: getattr(conf, attribute) for name, (attribute, _) in NAMES.items()} == {
        name: default for name, (_, default) in NAMES.items()
    }
    assert conf.resend_in_doubt is False


def test_every_setting_has_a_property():
    assert {*NAMES, "ENGAGEMENTS_IN_DOUBT"} == set(SETTINGS)


def test_a_setting_is_read_anew_each_time(settings):
    for size in (5, 7):
        settings.CONVERSION_SYNC = {"BATCH_SIZE": size}
        assert conf.batch_size == size


def test_a_key_and_a_url_are_taken_without_what_slipped_in(settings):
    settings.CONVERSION_SYNC = {"API_KEY": " k \n", "BASE_URL": "https://a.example/api/v1/"}
    assert conf.api_key == "k"
    assert conf.base_url == "https://a.example/api/v1"


@pytest.mark.parametrize(
    ("given", "can"),
    [
        ({"API_KEY": "k"}, True),
        ({"API_KEY": "k", "ENABLED": False}, False),
        ({"API_KEY": " "}, False),
        ({"API_KEY": None}, False),
    ],
)
def test_what_is_needed_to_send(settings, given, can):
    settings.CONVERSION_SYNC = given
    with calls_allowed():
        assert conf.can_send is can
    assert conf.can_send is False


def test_engagements_in_doubt_are_resent_where_the_site_says_so(settings):
    settings.CONVERSION_SYNC = {"ENGAGEMENTS_IN_DOUBT": "resend"}
    assert conf.resend_in_doubt is True


@pytest.mark.parametrize("name", ["ENABLED", "DELETE_REMOTE", "DELETE_CHANGED_KEYS"])
@pytest.mark.parametrize("given", ["False", "0", "no", "True", 1, None])
def test_a_switch_that_is_none_is_off(settings, name, given):
    settings.CONVERSION_SYNC = {"API_KEY": "k", name: given}
    assert getattr(conf, name.lower()) is False
