"""Who hears that a row became due, and runs the drains."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from conversion_sync import signals
from conversion_sync.queues.wake import wake

__all__ = ["connect"]


def connect(config: AppConfig) -> None:
    """Listen to changes, and see after each ``migrate`` that the sweep is scheduled."""
    signals.changed.connect(wake, dispatch_uid="conversion_sync.wake")
    post_migrate.connect(_schedule, dispatch_uid="conversion_sync.schedule")


def _schedule(sender: AppConfig, using: str, **kwargs: Any) -> None:
    from django.apps import apps

    # Whichever of the two is migrated last finds the tables of both.
    if apps.is_installed("django_q") and sender.label in ("conversion_sync", "django_q"):
        from conversion_sync.queues import django_q

        django_q.schedule_sweep(using)
