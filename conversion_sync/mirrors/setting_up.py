"""Finding the mirrors of a site when it starts, and having the app follow them."""

from __future__ import annotations

from typing import Any

from django.core.checks import register as register_check
from django.db.models.signals import post_migrate
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy

from conversion_sync.mirrors import hearing
from conversion_sync.mirrors.beginnings import after_migrate
from conversion_sync.mirrors.checks import check_mirrors
from conversion_sync.mirrors.concerned import waiting
from conversion_sync.mirrors.registry import registry
from conversion_sync.mirrors.step import NAME, step
from conversion_sync.sync import steps

__all__ = ["connect"]


def connect() -> None:
    """Import ``conversion`` of each app of the site, and follow what the mirrors there read."""
    autodiscover_modules("conversion")
    hearing.connect()
    registry.on_change = hearing.connect
    label = gettext_lazy("changes of your own models")
    steps.register(steps.Step(NAME, label, waiting, step))
    register_check(check_mirrors, "conversion_sync")
    post_migrate.connect(_migrated, dispatch_uid="conversion_sync.mirrors.begin")


def _migrated(sender: Any, using: str, **kwargs: Any) -> None:
    if sender.label == "conversion_sync":
        after_migrate(using, **kwargs)
