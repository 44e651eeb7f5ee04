"""What is wrong with the settings, said before it bites: ``conversion_sync.E001`` and on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.checks import register as register_check
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router
from django.utils.module_loading import import_string

from conversion_sync.api import ConfigurationError
from conversion_sync.api.base_url import check_base_url
from conversion_sync.api.secret import Secret
from conversion_sync.conf import SETTINGS, conf
from conversion_sync.queues.base import queue
from conversion_sync.queues.checks import EXTRAS, check_django_tasks, missing, unusable

__all__ = ["register"]

TAG = "conversion_sync"

#: Seconds beside the last call of a drain: its claim, its settling, the bookkeeping.
MARGIN = 5

#: The names of PostgreSQL's levels, as psycopg numbers them from 1 on.
POSTGRESQL_LEVELS = ("read uncommitted", "read committed", "repeatable read", "serializable")

#: By the vendor's name in Django: the isolation levels at which the tests run.
TRIED = {
    "postgresql": POSTGRESQL_LEVELS[1:],
    "mysql": ("read committed", "repeatable read"),
}


def register() -> None:
    """Register the checks with Django."""
    register_check(check_settings, TAG)
    register_check(check_queue, TAG)
    register_check(check_isolation, TAG)


def check_settings(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Check ``CONVERSION_SYNC``."""
    return _malformed() or [*_key(), *_url(), *_times()]


def check_queue(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Check the queue and its database for the traps that lose or double work."""
    if _malformed() or conf.queue == "none":
        return []
    if conf.queue == "django_q":
        return _django_q()
    if conf.queue in EXTRAS and (absent := missing(conf.queue)):
        return absent
    if conf.queue == "django_tasks":
        # Its module can't be imported where the settings are not right.
        return [*check_django_tasks()]
    try:
        found = queue(conf.queue)
    except ImproperlyConfigured as error:
        return unusable(error)
    return [*found.check()] if hasattr(found, "check") else []


def _django_q() -> list[CheckMessage]:
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


def check_isolation(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Check that the database's isolation level is one at which this app was tried."""
    from conversion_sync.models import Contact

    connection = connections[router.db_for_write(Contact)]
    tried, level = TRIED.get(connection.vendor), _isolation_level(connection)
    if tried is None or level is None or level in tried:
        return []
    return [
        _warning(
            "W023",
            f"The database's isolation level is {level!r}, at which this app was not tried.",
            f"It was tried at: {', '.join(tried)}.",
        )
    ]


def _isolation_level(connection: Any) -> str | None:
    """The level that the settings ask for, in words; None: the one that Django takes by itself."""
    level = (connection.settings_dict.get("OPTIONS") or {}).get("isolation_level")
    if isinstance(level, int) and connection.vendor == "postgresql":
        return dict(enumerate(POSTGRESQL_LEVELS, 1)).get(level, str(level))
    return level.lower() if isinstance(level, str) else None


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
        if name not in SETTINGS:
            known = ", ".join(SETTINGS)
            yield _error("E002", f"CONVERSION_SYNC has no setting {name!r}.", f"It has: {known}.")


def _kinds() -> Iterator[CheckMessage]:
    for name, setting in SETTINGS.items():
        value = setting.value(conf.given)
        if not setting.kind.is_right(value):
            shown = "of the wrong kind" if setting.is_secret else repr(value)
            yield _error(
                setting.kind.check, f"CONVERSION_SYNC[{name!r}] is {shown}.", setting.kind.hint
            )


def _key() -> Iterator[CheckMessage]:
    if conf.enabled and not conf.api_key:
        yield _warning(
            "W001",
            "CONVERSION_SYNC['API_KEY'] is missing: rows wait as PENDING, nothing is sent.",
            "Set it to the key of your Conversion account, or set CONVERSION_SYNC['ENABLED'] to "
            "False where nothing shall be sent.",
        )
    if conf.api_key and not Secret(conf.api_key).is_sendable():
        yield _error(
            "E022",
            "CONVERSION_SYNC['API_KEY'] holds a space, a line break or another character that no "
            "key has: nothing is sent.",
            "Copy the key again, on one line.",
        )


def _url() -> Iterator[CheckMessage]:
    try:
        check_base_url(conf.base_url)
    except ConfigurationError as error:
        yield _error(
            "E007",
            f"CONVERSION_SYNC['BASE_URL'] can't be used: {error}",
            f"Leave it out for the vendor's own, {SETTINGS['BASE_URL'].default}.",
        )


def _times() -> Iterator[CheckMessage]:
    if conf.lease < conf.call_deadline + MARGIN:
        yield _error(
            "E008",
            f"CONVERSION_SYNC['LEASE'] ({conf.lease:g} s) does not cover a call "
            f"(CALL_DEADLINE, {conf.call_deadline:g} s) and {MARGIN} s beside it.",
            "Make LEASE longer, or CALL_DEADLINE shorter.",
        )
    if conf.drain_seconds <= conf.call_deadline:
        yield _error(
            "E021",
            f"CONVERSION_SYNC['DRAIN_SECONDS'] ({conf.drain_seconds:g} s) does not outlast a call "
            f"(CALL_DEADLINE, {conf.call_deadline:g} s): after one that hangs, nothing else "
            "would have its turn.",
            "Make DRAIN_SECONDS longer, or CALL_DEADLINE shorter.",
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
            "Leave it out; what tests send at once they send by conversion_sync.testing.",
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
