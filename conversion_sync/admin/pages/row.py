"""The page of a row, its panel, and the pages that lead from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from conversion_sync.admin import badges
from conversion_sync.admin.bulk.perform import at_once
from conversion_sync.admin.forms.key_values import KeyValueField
from conversion_sync.admin.lists.long_list import LongListAdmin
from conversion_sync.admin.lists.waiting import follows, note_reasons, why
from conversion_sync.admin.pages.attributed import AttributedAdmin
from conversion_sync.admin.pages.panel import panel
from conversion_sync.admin.pages.row_page import RowPage
from conversion_sync.models import BulkJob, SyncedModel
from conversion_sync.status import times

__all__ = ["Fieldsets", "RowPagesAdmin"]

#: The actions that are buttons on a row's page, too.
ROW_ACTIONS = frozenset({"sync_now", "retry_failed", "resend", "mark_as_sent", "discard_failed"})

Fieldsets = Sequence[tuple[Any, dict[str, Any]]]


class RowPagesAdmin(AttributedAdmin, LongListAdmin):
    """Rows that have a page with a panel, which says whether they have arrived.

    A model's own module sets ``row_pages`` and the fieldsets, and overrides what it has something
    to add to: ``prepare``, ``panel_links``, ``companions``, ``page_context``.
    """

    change_form_template = "admin/conversion_sync/change_form.html"
    formfield_overrides: ClassVar[Any] = {models.JSONField: {"form_class": KeyValueField}}

    #: The page for those who may change the row, and for those who may look at it.
    edit_fieldsets: ClassVar[Fieldsets] = ()
    view_fieldsets: ClassVar[Fieldsets] = ()

    #: The pages of a row beside those of Django and the panel.
    row_pages: ClassVar[Sequence[RowPage]] = ()

    def prepare(self, rows: Sequence[Any]) -> None:
        note_reasons(rows)

    @admin.display(description=gettext_lazy("status"))
    def sync_state(self, row: SyncedModel) -> SafeString:
        """The badge."""
        return badges.render(badges.badge(row, times.now(), why(row), follows(row)))

    def may_edit(self, request: HttpRequest, obj: Any) -> bool:
        """Whether the page of this row is a form."""
        if obj is None:
            return self.has_add_permission(request)
        return self.has_change_permission(request, obj)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.edit_fieldsets if self.may_edit(request, obj) else self.view_fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if self.may_edit(request, obj):
            return self.readonly_fields
        return [name for _, options in self.view_fieldsets for name in options["fields"]]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = kwargs.get("obj")
        if row is not None:
            self.prepare([row])
            context = self.page_context(request, row) | context
            if not self.may_edit(request, row):
                context |= {
                    "show_save": False,
                    "show_save_and_continue": False,
                    "show_save_and_add_another": False,
                }
        return super().render_change_form(request, context, *args, **kwargs)

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What the page of a row shows beside the form; the row is prepared."""
        return self._panel_context(request, row)

    def get_urls(self) -> list[Any]:
        pages = (
            RowPage("panel", RowPagesAdmin._show_panel),
            RowPage("do", RowPagesAdmin._do, methods=("POST",)),
            *self.row_pages,
        )
        return [page.url(self) for page in pages] + super().get_urls()

    def row_address(self, page: str, row: SyncedModel) -> str:
        """The address of a page of this row.

        Args:
            page: the word of a `RowPage`, or ``"change"``.
        """
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, args=(quote(row.pk),), current_app=self.admin_site.name)

    def row_or_404(self, request: HttpRequest, object_id: str) -> Any:
        """The row, if this person may look at it.

        Args:
            object_id: its primary key, as addresses have it.

        Raises:
            Http404: there is none.
            PermissionDenied: this person may not.
        """
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return row

    # The panel on top of it

    def panel_links(self, request: HttpRequest, row: Any) -> Iterator[tuple[str, str]]:
        """Words and addresses of the pages that the panel leads to; the row is prepared."""
        yield from ()

    def companions(self, row: Any) -> Sequence[SyncedModel]:
        """Other rows that the badge speaks of; the row is prepared."""
        return ()

    def _panel_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        allowed, badge = self.get_actions(request), self.sync_state(row)
        return {
            "panel": panel(row, badge, self.admin_site, allowed, self.companions(row)),
            "panel_links": list(self.panel_links(request, row)),
            "panel_url": self.row_address("panel", row),
            "do_url": self.row_address("do", row),
        }

    def _show_panel(self, request: HttpRequest, row: SyncedModel) -> HttpResponse:
        """The panel alone, for the page to show it anew."""
        self.prepare([row])
        template = "admin/conversion_sync/includes/panel.html"
        return TemplateResponse(request, template, self._panel_context(request, row))

    def _do(self, request: HttpRequest, row: SyncedModel) -> HttpResponse:
        """One of the actions, on this row."""
        name = request.POST.get("action", "")
        if name not in ROW_ACTIONS or name not in self.get_actions(request):
            raise PermissionDenied
        with self.on_behalf_of(request):
            rows = self.get_queryset(request).filter(pk=row.pk)
            at_once(BulkJob.Action(name), self, request, rows)
        if self.get_object(request, str(row.pk)) is None:
            changelist = f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"
            return HttpResponseRedirect(reverse(changelist, current_app=self.admin_site.name))
        return HttpResponseRedirect(self.row_address("change", row))

    # Permissions, as Django's actions ask for them

    def has_sync_permission(self, request: HttpRequest) -> bool:
        """Whether this person may have rows sent, and decide of those that were not."""
        user: Any = request.user
        return bool(user.has_perm(f"{self.opts.app_label}.sync_{self.opts.model_name}"))

    def has_set_subscription_permission(self, request: HttpRequest) -> bool:
        """Whether this person may set the subscription of contacts."""
        user: Any = request.user
        return bool(user.has_perm("conversion_sync.set_subscription"))
