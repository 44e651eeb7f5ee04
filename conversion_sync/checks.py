"""What is wrong with the settings, said before it bites: ``conversion_sync.E001`` and on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.checks import register as register_check
from django.db import connections, router
from django.utils.module_loading import import_string

from conversion_sync.api import ConfigurationError
from conversion_sync.api.transport import check_base_url
from conversion_sync.conf import Conf, conf

__all__ = ["register"]

TAG = "conversion_sync"

#: Seconds beside the last call of a drain: its claim, its settling, the bookkeeping.
MARGIN = 5

POSITIVE = (
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
WHOLE = ("BATCH_SIZE", "CONCURRENCY", "MAX_ATTEMPTS")
SWITCHES = ("ENABLED", "DELETE_CHANGED_KEYS", "DELETE_REMOTE")
CHOICES = {
    "QUEUE": ("django_q", "none"),
    "ENGAGEMENTS_IN_DOUBT": ("hold", "resend"),
}


def register() -> None:
    """Register the checks with Django."""
    register_check(check_settings, TAG)
    register_check(check_queue, TAG)


def check_settings(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Check ``CONVERSION_SYNC``."""
    return _malformed() or [*_key(), *_url(), *_times()]


def check_queue(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Check the django-q2 cluster and the database for the traps that lose or double work."""
    if _malformed() or conf.queue != "django_q":
        return []
    if not apps.is_installed("django_q"):
        return [
            _error(
                "E010",
                "django_q is not in INSTALLED_APPS, so nothing will be sent.",
                "Add it, or set CONVERSION_SYNC['QUEUE'] to 'none' and run "
                "`manage.py conversion_push --forever`.",
            )
        ]
    cluster = getattr(settings, "Q_CLUSTER", None) or {}
    found: list[CheckMessage] = []
    for check in (_cluster_times, _cluster_retries, _cluster_broker, _sqlite):
        found += check(cluster)
    return found


def _error(number: str, message: str, hint: str) -> Error:
    return Error(message, hint=hint, id=f"conversion_sync.{number}")


def _warning(number: str, message: str, hint: str) -> Warning:
    return Warning(message, hint=hint, id=f"conversion_sync.{number}")


def _malformed() -> list[CheckMessage]:
    """What is wrong with the settings as such, so that their values can't be looked at."""
    if not isinstance(getattr(settings, "CONVERSION_SYNC", {}), dict):
        return [_error("E001", "CONVERSION_SYNC is not a dict.", "Make it a dict of settings.")]
    return [*_names(), *_kinds()]


def _names() -> Iterator[CheckMessage]:
    for name in conf.given:
        if name not in Conf.DEFAULTS:
            known = ", ".join(Conf.DEFAULTS)
            yield _error("E002", f"CONVERSION_SYNC has no setting {name!r}.", f"It has: {known}.")


def _kinds() -> Iterator[CheckMessage]:
    for name in POSITIVE:
        value = conf.given.get(name, Conf.DEFAULTS[name])
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value <= 0:
            yield _error(
                "E003", f"CONVERSION_SYNC[{name!r}] is {value!r}.", "Make it a number above 0."
            )
        elif name in WHOLE and value != int(value):
            yield _error(
                "E003", f"CONVERSION_SYNC[{name!r}] is {value!r}.", "Make it a whole number."
            )
    for name in SWITCHES:
        if not isinstance(conf.given.get(name, True), bool):
            yield _error(
                "E004",
                f"CONVERSION_SYNC[{name!r}] is {conf.given[name]!r}.",
                "Make it True or False.",
            )
    for name, choices in CHOICES.items():
        if conf.given.get(name, choices[0]) not in choices:
            yield _error(
                "E005",
                f"CONVERSION_SYNC[{name!r}] is {conf.given[name]!r}.",
                f"Make it one of {', '.join(map(repr, choices))}.",
            )
    if not isinstance(conf.given.get("API_KEY") or "", str):
        yield _error("E006", "CONVERSION_SYNC['API_KEY'] is not text.", "Make it a string.")


def _key() -> Iterator[CheckMessage]:
    if conf.enabled and not conf.api_key:
        yield _warning(
            "W001",
            "CONVERSION_SYNC['API_KEY'] is missing: rows wait as PENDING, nothing is sent.",
            "Set it to the key of your Conversion account, or set CONVERSION_SYNC['ENABLED'] to "
            "False where nothing shall be sent.",
        )


def _url() -> Iterator[CheckMessage]:
    try:
        check_base_url(conf.base_url)
    except ConfigurationError as error:
        yield _error(
            "E007",
            f"CONVERSION_SYNC['BASE_URL'] can't be used: {error}",
            f"Leave it out for the vendor's own, {Conf.DEFAULTS['BASE_URL']}.",
        )


def _times() -> Iterator[CheckMessage]:
    if conf.lease < conf.call_deadline + MARGIN:
        yield _error(
            "E008",
            f"CONVERSION_SYNC['LEASE'] ({conf.lease:g} s) does not cover a call "
            f"(CALL_DEADLINE, {conf.call_deadline:g} s) and {MARGIN} s beside it.",
            "Make LEASE longer, or CALL_DEADLINE shorter.",
        )
    if conf.backoff_max < conf.backoff:
        yield _error(
            "E009",
            "CONVERSION_SYNC['BACKOFF_MAX'] is shorter than BACKOFF.",
            "Make it longer.",
        )


def _cluster_times(cluster: dict[str, Any]) -> Iterator[CheckMessage]:
    timeout, need = cluster.get("timeout"), conf.drain_seconds + conf.call_deadline + MARGIN
    if timeout is None or timeout < need:
        yield _error(
            "E011",
            f"Q_CLUSTER['timeout'] is {timeout!r}; a drain and its last call may take "
            f"{need:g} s (DRAIN_SECONDS + CALL_DEADLINE + {MARGIN}).",
            f"Set it to {need:g} or more: a drain that is cut off leaves rows for a whole lease, "
            "and engagements in doubt.",
        )
        return
    workers = cluster.get("workers") or 1
    queue_limit = cluster.get("queue_limit") or workers**2
    longest = timeout * (1 + math.ceil((queue_limit + cluster.get("bulk", 1)) / workers))
    retry = cluster.get("retry", 60)
    if retry <= longest:
        yield _warning(
            "W012",
            f"Q_CLUSTER['retry'] is {retry!r}; a task may wait and run for {longest:g} s, and "
            "would be run twice at a time.",
            f"Set it above {longest:g}: timeout x (1 + (queue_limit + bulk) / workers).",
        )


def _cluster_retries(cluster: dict[str, Any]) -> Iterator[CheckMessage]:
    if cluster.get("max_attempts") != 1 or not cluster.get("ack_failures"):
        yield _warning(
            "W013",
            "Q_CLUSTER tries a failed task again; by default without an end.",
            "Set 'max_attempts': 1 and 'ack_failures': True: the rows own their retries.",
        )
    if cluster.get("sync"):
        yield _warning(
            "W014",
            "Q_CLUSTER['sync'] runs each drain inside the save that asks for it.",
            "Leave it out; in tests set CONVERSION_SYNC['ENABLED'] to False instead.",
        )
    if cluster.get("catch_up", True):
        yield _warning(
            "W015",
            "Q_CLUSTER['catch_up'] queues a sweep for every minute the cluster was down.",
            "Set 'catch_up': False.",
        )
    if cluster.get("save_limit", 250) != -1:
        yield _warning(
            "W016",
            "Q_CLUSTER['save_limit'] is not -1, so that every drain leaves a row, and counts them.",
            "Set 'save_limit': -1: what a drain did is on the rows.",
        )


def _cluster_broker(cluster: dict[str, Any]) -> Iterator[CheckMessage]:
    alias = cluster.get("orm")
    if isinstance(alias, str) and alias not in connections:
        yield _error(
            "E017",
            f"Q_CLUSTER['orm'] names the unknown database {alias!r}.",
            "Name one of DATABASES.",
        )
    path = cluster.get("broker_class")
    if path and not _imports(lambda: import_string(path)):
        yield _error(
            "E018", f"Q_CLUSTER['broker_class'] {path!r} can't be imported.", "Correct it."
        )


def _imports(load: Callable[[], Any]) -> bool:
    try:
        load()
    except ImportError:
        return False
    return True


def _sqlite(cluster: dict[str, Any]) -> Iterator[CheckMessage]:
    from conversion_sync.models import Contact

    connection = connections[router.db_for_write(Contact)]
    if connection.vendor != "sqlite":
        return
    options = connection.settings_dict.get("OPTIONS") or {}
    if str(options.get("transaction_mode") or "").upper() != "IMMEDIATE":
        yield _warning(
            "W019",
            "SQLite transactions are not IMMEDIATE: under load, writes fail with “database is "
            "locked”.",
            "Set OPTIONS['transaction_mode'] to 'IMMEDIATE' and OPTIONS['timeout'] to 20.",
        )
    if (cluster.get("workers") or 0) != 1:
        yield _warning(
            "W020",
            "Several q workers share an SQLite database, which has one writer at a time.",
            "Set Q_CLUSTER['workers'] to 1 (left out, it is the number of cores), or use "
            "PostgreSQL or MariaDB.",
        )
