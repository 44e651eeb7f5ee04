"""What is wrong with ``Q_CLUSTER``, and with the database that its cluster shares."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage
from django.db import connections, router
from django.utils.module_loading import import_string

from conversion_sync.checks.messages import error, warning
from conversion_sync.checks.settings import MARGIN
from conversion_sync.conf import conf

__all__ = ["check_cluster"]


def check_cluster() -> list[CheckMessage]:
    """Check the cluster of django-q2 for the traps that lose or double work."""
    if not apps.is_installed("django_q"):
        return [
            error(
                "E010",
                "django_q is not in INSTALLED_APPS, so nothing will be sent.",
                "Add it, or set CONVERSION_SYNC['QUEUE'] to 'none' and run "
                "`manage.py conversion_push --forever`.",
            )
        ]
    cluster = getattr(settings, "Q_CLUSTER", None) or {}
    found: list[CheckMessage] = []
    for check in (_times, _retries, _broker, _sqlite):
        found += check(cluster)
    return found


def _times(cluster: dict[str, Any]) -> Iterator[CheckMessage]:
    timeout, need = cluster.get("timeout"), conf.drain_seconds + conf.call_deadline + MARGIN
    if timeout is None or timeout < need:
        yield error(
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
        yield warning(
            "W012",
            f"Q_CLUSTER['retry'] is {retry!r}; a task may wait and run for {longest:g} s, and "
            "would be run twice at a time.",
            f"Set it above {longest:g}: timeout x (1 + (queue_limit + bulk) / workers).",
        )


def _retries(cluster: dict[str, Any]) -> Iterator[CheckMessage]:
    if cluster.get("max_attempts") != 1 or not cluster.get("ack_failures"):
        yield warning(
            "W013",
            "Q_CLUSTER tries a failed task again; by default without an end.",
            "Set 'max_attempts': 1 and 'ack_failures': True: the rows own their retries.",
        )
    if cluster.get("sync"):
        yield warning(
            "W014",
            "Q_CLUSTER['sync'] runs each drain inside the save that asks for it.",
            "Leave it out; what tests send at once they send by conversion_sync.testing.",
        )
    if cluster.get("catch_up", True):
        yield warning(
            "W015",
            "Q_CLUSTER['catch_up'] queues a sweep for every minute the cluster was down.",
            "Set 'catch_up': False.",
        )
    if cluster.get("save_limit", 250) != -1:
        yield warning(
            "W016",
            "Q_CLUSTER['save_limit'] is not -1, so that every drain leaves a row, and counts them.",
            "Set 'save_limit': -1: what a drain did is on the rows.",
        )


def _broker(cluster: dict[str, Any]) -> Iterator[CheckMessage]:
    alias = cluster.get("orm")
    if isinstance(alias, str) and alias not in connections:
        yield error(
            "E017",
            f"Q_CLUSTER['orm'] names the unknown database {alias!r}.",
            "Name one of DATABASES.",
        )
    path = cluster.get("broker_class")
    if path and not _imports(lambda: import_string(path)):
        yield error("E018", f"Q_CLUSTER['broker_class'] {path!r} can't be imported.", "Correct it.")


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
        yield warning(
            "W019",
            "SQLite transactions are not IMMEDIATE: under load, writes fail with “database is "
            "locked”.",
            "Set OPTIONS['transaction_mode'] to 'IMMEDIATE' and OPTIONS['timeout'] to 20.",
        )
    if (cluster.get("workers") or 0) != 1:
        yield warning(
            "W020",
            "Several q workers share an SQLite database, which has one writer at a time.",
            "Set Q_CLUSTER['workers'] to 1 (left out, it is the number of cores), or use "
            "PostgreSQL or MariaDB.",
        )
