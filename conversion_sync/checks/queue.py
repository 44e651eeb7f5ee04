"""What is wrong with the queue of a site."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured

from conversion_sync.checks.cluster import check_cluster
from conversion_sync.checks.settings import malformed
from conversion_sync.conf import conf
from conversion_sync.queues.base import queue
from conversion_sync.queues.checks import EXTRAS, check_django_tasks, missing, unusable

__all__ = ["check_queue"]


def check_queue(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Check the queue and its database for the traps that lose or double work."""
    if malformed() or conf.queue == "none":
        return []
    if conf.queue == "django_q":
        return check_cluster()
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
