"""What is wrong with a site's set-up, said before it bites: ``conversion_sync.E001`` and on."""

from __future__ import annotations

from django.core import checks

from conversion_sync.checks.autocommit import check_autocommit
from conversion_sync.checks.isolation import check_isolation
from conversion_sync.checks.queue import check_queue
from conversion_sync.checks.settings import check_settings

__all__ = ["register"]

TAG = "conversion_sync"


def register() -> None:
    """Register the checks with Django."""
    for check in (check_settings, check_queue, check_isolation, check_autocommit):
        checks.register(check, TAG)
