"""Installing the app."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_save
from django.utils.translation import gettext_lazy as _

__all__ = ["ConversionSyncConfig"]


class ConversionSyncConfig(AppConfig):
    """Registers the checks, and connects what hears of changes, of fixtures and of ``migrate``."""

    name = "conversion_sync"
    label = "conversion_sync"
    verbose_name = _("Conversion")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from conversion_sync import calls_in_tests, checks, queues
        from conversion_sync.mirrors.setting_up import connect
        from conversion_sync.models.fixtures import complete_fixture
        from conversion_sync.sync import steps, upgrade
        from conversion_sync.sync.completing import after_migrate

        checks.register()
        calls_in_tests.connect()
        queues.connect()
        connect()
        left = _("what an upgrade has left to be done")
        steps.register(steps.Step(upgrade.NAME, left, upgrade.waiting, upgrade.step))
        pre_save.connect(complete_fixture, dispatch_uid="conversion_sync.fixture")
        post_migrate.connect(
            after_migrate, sender=self, dispatch_uid="conversion_sync.after_migrate"
        )
