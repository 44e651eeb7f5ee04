"""The app's own working in the admin: to be read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import router
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from conversion_sync.admin import badges
from conversion_sync.admin.base import ReadOnlyAdmin
from conversion_sync.admin.call_rows import rows_of
from conversion_sync.admin.dashboard import dashboard
from conversion_sync.admin.filters import recent_values
from conversion_sync.admin.lists import LongListAdmin
from conversion_sync.admin.remedies import remedy
from conversion_sync.models import ApiCall, ApiGate, Heartbeat, Wakeup
from conversion_sync.models.base import announce
from conversion_sync.sync.gate import Gate

__all__ = ["ApiCallAdmin", "ApiGateAdmin", "HeartbeatAdmin", "WakeupAdmin"]

#: The most of an error's message that a list shows, and a page.
LIST_LENGTH, PAGE_LENGTH = 90, 2000


class OperationsAdmin(ReadOnlyAdmin, LongListAdmin):
    """All columns, to look at."""

    class Media:
        css = {"all": ("conversion_sync/admin.css",)}  # noqa: RUF012  # Django's own convention


@admin.register(ApiCall)
class ApiCallAdmin(OperationsAdmin):
    """The call log."""

    change_form_template = "admin/conversion_sync/call_change_form.html"
    fields = ("started_at", "endpoint", "rows", "duration", "answer", "whole_error")
    readonly_fields = fields
    list_display = ("started_at", "endpoint", "rows", "duration", "answer", "error")
    list_display_links = ("started_at", "endpoint")
    list_filter = (
        recent_values("endpoint", gettext_lazy("endpoint")),
        recent_values("error_code", gettext_lazy("error")),
        "started_at",
    )
    sortable_by = ("started_at",)

    @admin.display(description=gettext_lazy("duration"))
    def duration(self, call: ApiCall) -> str:
        """How long the call took."""
        return _("%d ms") % call.duration_ms

    @admin.display(description=gettext_lazy("HTTP status"))
    def answer(self, call: ApiCall) -> str:
        """The HTTP status, if there was an answer."""
        return str(call.http_status) if call.http_status else _("none")

    @admin.display(description=gettext_lazy("error"))
    def error(self, call: ApiCall) -> str | SafeString:
        """What went wrong, if anything did."""
        if not call.error_code:
            return ""
        return badges.error(badges.one_line(call.error_message, LIST_LENGTH), call.error_code)

    @admin.display(description=gettext_lazy("error"))
    def whole_error(self, call: ApiCall) -> str | SafeString:
        """What went wrong, at length, and what to do."""
        if not call.error_code:
            return _("none")
        return format_html(
            '{}<p class="cs-remedy">{}</p>',
            badges.error(badges.one_line(call.error_message, PAGE_LENGTH), call.error_code),
            remedy(call.error_code),
        )

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["kinds"] = list(rows_of(kwargs["obj"], request, self.admin_site))
        return super().render_change_form(request, context, *args, **kwargs)


@admin.register(ApiGate)
class ApiGateAdmin(OperationsAdmin):
    """The dashboard stands in the place of the list: there is only one gate."""

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("pause/", wrap(require_POST(self.pause)), name="conversion_sync_pause"),
            path("resume/", wrap(require_POST(self.resume)), name="conversion_sync_resume"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The dashboard."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": _("Dashboard"),
            "app_label_shown": self.opts.app_config.verbose_name,
            **dashboard(request, self.admin_site),
        }
        return TemplateResponse(request, "admin/conversion_sync/dashboard.html", context)

    def pause(self, request: HttpRequest) -> HttpResponse:
        """Send nothing until somebody resumes."""
        self._check_pause(request)
        Gate().pause(request.user.get_username())
        self.message_user(request, _("Sending is paused."), messages.SUCCESS)
        return self._back()

    def resume(self, request: HttpRequest) -> HttpResponse:
        """Open the gate, and have what is due sent."""
        self._check_pause(request)
        Gate().resume()
        announce(router.db_for_write(ApiGate))
        self.message_user(request, _("Sending goes on."), messages.SUCCESS)
        return self._back()

    def _check_pause(self, request: HttpRequest) -> None:
        user: Any = request.user
        if not user.has_perm("conversion_sync.pause"):
            raise PermissionDenied

    def _back(self) -> HttpResponse:
        name = "admin:conversion_sync_apigate_changelist"
        return HttpResponseRedirect(reverse(name, current_app=self.admin_site.name))


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
