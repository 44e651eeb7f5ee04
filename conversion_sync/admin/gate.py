"""The gate in the admin: the dashboard, with the buttons that pause and resume."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _

from conversion_sync.admin.lists.read_only import LogAdmin
from conversion_sync.admin.pages.dashboard import dashboard
from conversion_sync.admin.site import pressed
from conversion_sync.models import ApiGate
from conversion_sync.models.announcement import announce
from conversion_sync.models.database import database
from conversion_sync.sync.gate import Gate

__all__ = ["ApiGateAdmin"]


@admin.register(ApiGate)
class ApiGateAdmin(LogAdmin):
    """The dashboard stands in the place of the list: there is only one gate."""

    def __init__(self, model: type[ApiGate], admin_site: admin.AdminSite) -> None:
        super().__init__(model, admin_site)
        # The index has the verdict on top, unless the site has an index of its own.
        if admin_site.index_template is None:
            admin_site.index_template = "admin/conversion_sync/index.html"

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        pause, resume = (pressed(view, self._address) for view in (self.pause, self.resume))
        return [
            path("pause/", wrap(pause), name="conversion_sync_pause"),
            path("resume/", wrap(resume), name="conversion_sync_resume"),
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
        Gate(database()).pause(request.user.get_username())
        self.message_user(request, _("Sending is paused."), messages.SUCCESS)
        return self._back()

    def resume(self, request: HttpRequest) -> HttpResponse:
        """Open the gate, and have what is due sent."""
        self._check_pause(request)
        Gate(database()).resume()
        announce(database())
        self.message_user(request, _("Sending goes on."), messages.SUCCESS)
        return self._back()

    def _check_pause(self, request: HttpRequest) -> None:
        user: Any = request.user
        if not user.has_perm("conversion_sync.pause"):
            raise PermissionDenied

    def _back(self) -> HttpResponse:
        return HttpResponseRedirect(self._address())

    def _address(self, request: HttpRequest | None = None) -> str:
        name = "admin:conversion_sync_apigate_changelist"
        return reverse(name, current_app=self.admin_site.name)
