"""When a drain was asked for and when one ran: to be looked at by address, not on the index."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from conversion_sync.admin.lists.read_only import LogAdmin
from conversion_sync.models import Heartbeat, Wakeup

__all__ = ["HeartbeatAdmin", "WakeupAdmin"]


class HiddenAdmin(LogAdmin):
    """Not on the index."""

    def get_model_perms(self, request: HttpRequest) -> Any:
        return {}


@admin.register(Wakeup)
class WakeupAdmin(HiddenAdmin):
    """When a drain was last asked for."""

    list_display = ("__str__", "requested_until")


@admin.register(Heartbeat)
class HeartbeatAdmin(HiddenAdmin):
    """When a drain last ran."""

    list_display = ("__str__", "started_at", "finished_at", "worker", "rows", "calls")
