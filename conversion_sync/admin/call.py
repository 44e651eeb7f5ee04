"""Calls of the API in the admin: the log, and the page of a call."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from conversion_sync.admin import badges
from conversion_sync.admin.badges import said, said_in_full
from conversion_sync.admin.lists import cells
from conversion_sync.admin.lists.filters import CallErrorFilter, recent_values
from conversion_sync.admin.lists.read_only import LogAdmin
from conversion_sync.admin.pages.calls import rows_of
from conversion_sync.admin.synced import SyncedAdmin
from conversion_sync.models import ApiCall
from conversion_sync.status import times
from conversion_sync.status.errors import remedy
from conversion_sync.status.numbers import grouped
from conversion_sync.sync.kinds import MODELS

__all__ = ["ApiCallAdmin"]

#: The most of an error's message that a list shows, and a page.
LIST_LENGTH, PAGE_LENGTH = 90, 2000


def _tone(call: ApiCall) -> str:
    if call.error_code:
        return "bad"
    return "ok" if call.http_status else "doubt"


@admin.register(ApiCall)
class ApiCallAdmin(LogAdmin):
    """The call log."""

    change_form_template = "admin/conversion_sync/call_change_form.html"
    fields = ("started", "endpoint", "rows", "duration", "answer", "whole_error")
    readonly_fields = fields
    list_display = ("call", "outcome", "began")
    list_display_links = ("call",)
    list_filter = (
        recent_values("endpoint", gettext_lazy("endpoint")),
        CallErrorFilter,
        "started_at",
    )
    sortable_by = ("began",)

    @admin.display(description=gettext_lazy("call"))
    def call(self, call: ApiCall) -> SafeString:
        """The endpoint, for how many rows, and how long it took."""
        rows = ngettext("%s row", "%s rows", call.rows) % grouped(call.rows)
        return cells.lines(cells.key(call.endpoint), f"{rows}, {self.duration(call)}")

    @admin.display(description=gettext_lazy("answer"))
    def outcome(self, call: ApiCall) -> SafeString:
        """The HTTP status, if there was an answer; and what went wrong, if anything did."""
        status = f"HTTP {call.http_status}" if call.http_status else _("No answer")
        return cells.lines(badges.render(badges.Badge(_tone(call), status)), self.error(call))

    @admin.display(description=gettext_lazy("started at"), ordering="started_at")
    def began(self, call: ApiCall) -> SafeString | str:
        """When."""
        return cells.moment(call.started_at, seconds=True)

    @admin.display(description=gettext_lazy("started at"))
    def started(self, call: ApiCall) -> str:
        """When, with its zone."""
        return times.exact(call.started_at)

    @admin.display(description=gettext_lazy("duration"))
    def duration(self, call: ApiCall) -> str:
        """How long the call took."""
        return _("%s ms") % grouped(call.duration_ms)

    @admin.display(description=gettext_lazy("HTTP status"))
    def answer(self, call: ApiCall) -> str:
        """The HTTP status, if there was an answer."""
        return str(call.http_status) if call.http_status else _("none")

    @admin.display(description=gettext_lazy("error"))
    def error(self, call: ApiCall) -> str | SafeString:
        """What went wrong, if anything did."""
        if not call.error_code:
            return ""
        return badges.error(said(call.error_message, call.error_code, LIST_LENGTH), call.error_code)

    @admin.display(description=gettext_lazy("error"))
    def whole_error(self, call: ApiCall) -> str | SafeString:
        """What went wrong, at length, and what to do."""
        if not call.error_code:
            return _("none")
        words = said_in_full(call.error_message, call.error_code, PAGE_LENGTH)
        return format_html(
            '{}<p class="cs-remedy">{}</p>',
            badges.error(words, call.error_code),
            remedy(call.error_code),
        )

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        of_site = map(self.admin_site._registry.get, MODELS)
        admins = [each for each in of_site if isinstance(each, SyncedAdmin)]
        context["kinds"] = list(rows_of(kwargs["obj"], request, admins))
        return super().render_change_form(request, context, *args, **kwargs)
