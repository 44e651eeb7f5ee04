"""Installing the app."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

__all__ = ["ConversionSyncConfig"]


class ConversionSyncConfig(AppConfig):
    """Registers the checks, the queue's ears and the sweep's schedule."""

    name = "conversion_sync"
    label = "conversion_sync"
    verbose_name = _("Conversion")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from conversion_sync import checks, queues

        checks.register()
        queues.connect(self)
