"""The app's own working in the admin: to be read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conversion_sync.admin.badges import one_line
from conversion_sync.admin.base import ReadOnlyAdmin
from conversion_sync.admin.filters import recent_values
from conversion_sync.models import ApiCall, ApiGate, Heartbeat, Wakeup

__all__ = ["ApiCallAdmin", "ApiGateAdmin", "HeartbeatAdmin", "WakeupAdmin"]


class OperationsAdmin(ReadOnlyAdmin):
    """All columns, to look at."""

    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False

    class Media:
        css = {"all": ("conversion_sync/admin.css",)}  # noqa: RUF012  # Django's own convention


@admin.register(ApiCall)
class ApiCallAdmin(OperationsAdmin):
    """The call log."""

    list_display = ("started_at", "endpoint", "rows", "duration", "answer", "error")
    list_display_links = ("started_at", "endpoint")
    list_filter = (
        recent_values("endpoint", gettext_lazy("endpoint")),
        recent_values("error_code", gettext_lazy("error")),
        "started_at",
    )
    list_per_page = 50

    @admin.display(description=gettext_lazy("duration"), ordering="duration_ms")
    def duration(self, call: ApiCall) -> str:
        """How long the call took."""
        return _("%d ms") % call.duration_ms

    @admin.display(description=gettext_lazy("HTTP status"), ordering="http_status")
    def answer(self, call: ApiCall) -> str:
        """The HTTP status, if there was an answer."""
        return str(call.http_status) if call.http_status else _("none")

    @admin.display(description=gettext_lazy("error"), ordering="error_code")
    def error(self, call: ApiCall) -> str | SafeString:
        """What went wrong, if anything did."""
        if not call.error_code:
            return ""
        return format_html(
            '<span class="cs-error"><bdi>{}</bdi> <code>{}</code></span>',
            one_line(call.error_message, 90),
            call.error_code,
        )


@admin.register(ApiGate)
class ApiGateAdmin(OperationsAdmin):
    """Whether the API may be called now."""

    list_display = ("__str__", "closed_reason", "blocked_until", "paused_at", "last_ok_at")


class HiddenAdmin(OperationsAdmin):
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
