"""Who hears that a row became due, and runs the drains."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate

from conversion_sync import signals
from conversion_sync.queues.base import queues, register
from conversion_sync.queues.wake import wake

__all__ = ["connect"]


def connect() -> None:
    """Listen to changes, and see after each ``migrate`` that the sweep is scheduled."""
    if apps.is_installed("django_q"):
        # It can be imported only where it is installed.
        from conversion_sync.queues import django_q

        register("django_q", django_q)
    signals.changed.connect(wake, dispatch_uid="conversion_sync.wake")
    post_migrate.connect(_schedule, dispatch_uid="conversion_sync.schedule")


def _schedule(sender: AppConfig, using: str, **kwargs: Any) -> None:
    # Whichever of the two is migrated last finds the tables of both.
    if sender.label in ("conversion_sync", "django_q"):
        for queue in queues():
            queue.schedule_sweep(using)
