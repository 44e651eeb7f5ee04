"""The history on a contact's page, and the form there that adds to it."""

from __future__ import annotations

import copy
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, router, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from conversion_sync.admin.badges import isolated, one_line
from conversion_sync.admin.base import SyncedAdmin
from conversion_sync.admin.history import history_context
from conversion_sync.admin.logging_form import LoggingForm
from conversion_sync.models import Contact, Engagement

__all__ = ["HistoryAdmin"]

#: Where on the page the engagements are.
PLACE = "#cs-engagements"


def _may_log(request: HttpRequest) -> bool:
    user: Any = request.user
    return bool(user.has_perm("conversion_sync.add_engagement"))


class HistoryAdmin(SyncedAdmin):
    """Contacts, with what happened with them."""

    change_form_template = "admin/conversion_sync/contact_change_form.html"

    def get_urls(self) -> list[Any]:
        of_row = (("history-rows", require_GET(self.history_rows)), ("log", self.log_view))
        return [
            path(
                f"<path:object_id>/{word}/",
                self.admin_site.admin_view(view),
                name=f"conversion_sync_contact_{word}",
            )
            for word, view in of_row
        ] + super().get_urls()

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if (contact := kwargs.get("obj")) is not None:
            context |= self._history(request, contact)
            if _may_log(request):
                context.setdefault("log_form", LoggingForm(prefix="log"))
                context["log_url"] = self.row_url("log", contact) + PLACE
        return super().render_change_form(request, context, *args, **kwargs)

    def _history(self, request: HttpRequest, contact: Contact) -> dict[str, Any]:
        rows_url = self.row_url("history-rows", contact)
        return {"history_url": rows_url} | history_context(request, contact, self.admin_site)

    def history_rows(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The history alone, for the page to show it anew."""
        context = self._history(request, self.row_or_404(request, object_id))
        template = "admin/conversion_sync/includes/history_rows.html"
        return TemplateResponse(request, template, context)

    def log_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Log an engagement, and go back to the contact's page; or say there what is wrong."""
        contact = self.row_or_404(request, object_id)
        if not _may_log(request):
            raise PermissionDenied
        page = self.row_url("change", contact)
        if request.method == "POST":
            form = LoggingForm(request.POST, instance=Engagement(contact=contact), prefix="log")
            if not form.is_valid():
                # Shown, and not posted: the contact's own form has nothing to do with it.
                shown = copy.copy(request)
                shown.method = "GET"
                return self.change_view(shown, object_id, page, {"log_form": form})
            self._log(request, form)
        return HttpResponseRedirect(page + PLACE)

    def _log(self, request: HttpRequest, form: LoggingForm) -> None:
        try:
            with self.on_behalf_of(request), transaction.atomic(router.db_for_write(Engagement)):
                engagement: Any = form.save()
        except IntegrityError as error:
            raise Http404 from error  # The contact was deleted meanwhile.
        self.log_addition(request, engagement, [{"added": {}}])
        text = _("The engagement “%s” is logged.") % one_line(engagement.name, 100)
        self.message_user(request, isolated(text), messages.SUCCESS)
