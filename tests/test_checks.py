"""Each check by its id: said when the trap is there, and silent when it is not."""

from __future__ import annotations

import pytest
from django.conf import settings as site
from django.core import checks
from django.db import connections

from conversion_sync.checks.queue import check_queue
from conversion_sync.checks.settings import check_settings
from conversion_sync.conf import SETTINGS

GOOD = {"API_KEY": "k"}


@pytest.fixture
def found(settings):
    """The ids of what is found with these settings."""

    def find(sync: object = GOOD, **cluster: object) -> list[str]:
        settings.CONVERSION_SYNC = sync
        settings.Q_CLUSTER = {**site.Q_CLUSTER, **cluster}
        settings.Q_CLUSTER = {
            name: value for name, value in settings.Q_CLUSTER.items() if value != "left out"
        }
        messages = checks.run_checks(tags=["conversion_sync"])
        assert all(message.hint for message in messages)
        return [str(message.id).removeprefix("conversion_sync.") for message in messages]

    return find


@pytest.mark.parametrize(
    ("vendor", "options", "ids"),
    [
        ("postgresql", {}, []),
        ("postgresql", {"isolation_level": 3}, []),
        ("postgresql", {"isolation_level": 4}, []),
        ("postgresql", {"isolation_level": 1}, ["W023"]),
        ("mysql", {}, []),
        ("mysql", {"isolation_level": "REPEATABLE READ"}, []),
        ("mysql", {"isolation_level": None}, []),
        ("mysql", {"isolation_level": "serializable"}, ["W023"]),
        ("oracle", {"isolation_level": "serializable"}, []),
    ],
)
def test_an_isolation_level_that_was_not_tried(monkeypatch, found, vendor, options, ids):
    connection = connections["default"]
    monkeypatch.setattr(connection, "vendor", vendor)
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
    assert found() == ids


@pytest.mark.parametrize(("is_on", "ids"), [(True, []), (False, ["E025"])])
def test_a_database_without_autocommit(monkeypatch, found, is_on, ids):
    monkeypatch.setitem(connections["default"].settings_dict, "AUTOCOMMIT", is_on)
    assert found() == ids


@pytest.fixture
def sqlite(monkeypatch):
    """The database as a SQLite with these options."""

    def of(**options: object) -> None:
        connection = connections["default"]
        monkeypatch.setattr(connection, "vendor", "sqlite")
        monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)

    return of


def test_the_projects_own_settings_are_good(found):
    assert found() == []


@pytest.mark.parametrize("sync", [None, [], "x", ["API_KEY"], 3])
def test_e001_settings_are_no_dict(found, sync):
    assert found(sync) == ["E001"]


def test_e002_an_unknown_name(found):
    assert found({**GOOD, "BATCHSIZE": 5}) == ["E002"]
    [message] = check_settings()
    assert "'BATCHSIZE'" in message.msg
    assert "BATCH_SIZE" in str(message.hint)


NUMBERS = (
    "BATCH_SIZE",
    "RATE_LIMIT",
    "CONCURRENCY",
    "CALL_DEADLINE",
    "LEASE",
    "DRAIN_SECONDS",
    "MAX_ATTEMPTS",
    "BACKOFF",
    "BACKOFF_MAX",
    "CALL_LOG_DAYS",
    "STALE_AFTER",
)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [0, -1, "10", None, True, float("nan"), float("inf")])
def test_e003_a_number_that_is_none(found, name, value):
    assert found({**GOOD, name: value}) == ["E003"]
    assert name in check_settings()[0].msg


@pytest.mark.parametrize("name", ["BATCH_SIZE", "CONCURRENCY", "MAX_ATTEMPTS"])
def test_e003_a_part_of_what_comes_whole(found, name):
    assert found({**GOOD, name: 0.5}) == ["E003"]


@pytest.mark.parametrize("name", ["ENABLED", "DELETE_CHANGED_KEYS", "DELETE_REMOTE"])
@pytest.mark.parametrize("value", ["False", 0, None])
def test_e004_a_switch_that_is_neither_on_nor_off(found, name, value):
    assert found({**GOOD, name: value}) == ["E004"]


@pytest.mark.parametrize(("name", "value"), [("QUEUE", "rq"), ("ENGAGEMENTS_IN_DOUBT", "drop")])
def test_e005_a_choice_that_there_is_not(found, name, value):
    assert found({**GOOD, name: value}) == ["E005"]


def test_e006_a_key_that_is_no_text(found):
    assert found({"API_KEY": 1234567}) == ["E006"]
    assert "1234567" not in str(check_settings())


def test_e006_an_address_that_is_no_text(found):
    assert found({**GOOD, "BASE_URL": None}) == ["E006"]


@pytest.mark.parametrize("key", ["sk live", "sk\nlive", "schl\u00fcssel"])
def test_e022_a_key_that_cannot_be_sent(found, key):
    assert found({**GOOD, "API_KEY": key}) == ["E022"]
    assert key not in str(check_settings())


@pytest.mark.parametrize(
    "url", ["http://pub-api.conversion.ai/api/v1", "pub-api.conversion.ai", "ftp://a.example", ""]
)
def test_e007_a_url_that_can_not_be_used(found, url):
    assert found({**GOOD, "BASE_URL": url}) == ["E007"]
    assert "BASE_URL" in check_settings()[0].msg


def test_e008_a_lease_that_does_not_cover_a_call(found):
    assert found({**GOOD, "LEASE": 24}) == ["E008"]
    assert found({**GOOD, "LEASE": 25}) == []


def test_e009_a_longest_wait_that_is_shorter_than_the_first(found):
    assert found({**GOOD, "BACKOFF": 60, "BACKOFF_MAX": 59}) == ["E009"]


def test_e021_a_drain_that_does_not_outlast_a_call(found):
    assert found({**GOOD, "DRAIN_SECONDS": 20}) == ["E021"]
    assert found({**GOOD, "DRAIN_SECONDS": 20.1}) == []


def test_w024_an_alarm_that_comes_before_the_sweep(found):
    assert found({**GOOD, "STALE_AFTER": 89}) == ["W024"]
    assert found({**GOOD, "STALE_AFTER": 90}) == []
    # Its workers look all the time.
    assert found({**GOOD, "STALE_AFTER": 5, "QUEUE": "none"}) == []


def test_w001_no_key(found):
    assert found({}) == ["W001"]
    assert found({"API_KEY": None}) == ["W001"]
    assert found({"ENABLED": False}) == []


def test_e010_no_queue(found, settings):
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django_q"]
    assert found() == ["E010"]
    assert found({**GOOD, "QUEUE": "none"}) == []


def test_e011_a_drain_that_does_not_fit_into_the_timeout(found):
    assert found(timeout=54) == ["E011"]
    assert found(timeout=None) == ["E011"]
    assert found(timeout=55, retry=1000) == []


@pytest.mark.parametrize(
    ("cluster", "needed"),
    [
        ({"workers": 1, "queue_limit": 1, "bulk": 1}, 180),
        ({"workers": 2, "queue_limit": 2, "bulk": 1}, 180),
        ({"workers": 1, "queue_limit": 5, "bulk": 1}, 420),
        ({"workers": 1, "queue_limit": "left out", "bulk": 1}, 180),
    ],
)
def test_w012_a_retry_that_comes_before_the_end(found, cluster, needed, sqlite):
    assert "W012" in found(**cluster, retry=needed)
    assert "W012" not in found(**cluster, retry=needed + 1)


def test_w012_the_queues_own_retry_is_too_soon(found):
    assert found(retry="left out") == ["W012"]


@pytest.mark.parametrize(
    "cluster", [{"max_attempts": 0}, {"max_attempts": "left out"}, {"ack_failures": False}]
)
def test_w013_tasks_that_are_tried_again(found, cluster):
    assert found(**cluster) == ["W013"]


def test_w014_drains_inside_of_saves(found):
    assert found(sync=GOOD) == []
    site.Q_CLUSTER["sync"] = True
    try:
        assert found() == ["W014"]
    finally:
        del site.Q_CLUSTER["sync"]


@pytest.mark.parametrize("value", [True, "left out"])
def test_w015_sweeps_for_the_time_that_the_cluster_was_down(found, value):
    assert found(catch_up=value) == ["W015"]


@pytest.mark.parametrize("value", [0, 250, "left out"])
def test_w016_a_row_for_every_drain(found, value):
    assert found(save_limit=value) == ["W016"]


def test_e017_a_queue_in_an_unknown_database(found):
    assert found(orm="elsewhere") == ["E017"]


def test_e018_a_broker_that_can_not_be_imported(found):
    assert found(broker_class="no.such.Broker") == ["E018"]
    assert found(broker_class="project.broker.BoundedRedis") == []


def test_w019_sqlite_transactions_that_are_not_immediate(found, sqlite):
    sqlite()
    assert found(workers=1, queue_limit=1) == ["W019"]
    sqlite(transaction_mode="immediate")
    assert found(workers=1, queue_limit=1) == []


@pytest.mark.parametrize("workers", [2, "left out"])
def test_w020_several_writers_for_sqlite(found, sqlite, workers):
    sqlite(transaction_mode="IMMEDIATE")
    assert found(workers=workers, retry=10_000, queue_limit=1) == ["W020"]


def test_on_another_database_sqlite_is_no_matter(found, monkeypatch):
    monkeypatch.setattr(connections["default"], "vendor", "postgresql")
    assert found(workers=2, queue_limit=2) == []


def test_settings_of_the_wrong_kind_do_not_break_the_check_of_the_queue(found):
    assert found({**GOOD, "DRAIN_SECONDS": "soon"}) == ["E003"]
    assert check_queue() == []


def test_a_site_without_a_cluster_is_told_so(found, settings):
    settings.CONVERSION_SYNC = GOOD
    del settings.Q_CLUSTER
    assert "conversion_sync.E011" in [message.id for message in check_queue()]


def test_every_number_is_checked():
    numbers = {
        name
        for name, setting in SETTINGS.items()
        if isinstance(setting.default, int | float) and not isinstance(setting.default, bool)
    }
    assert numbers == set(NUMBERS)
