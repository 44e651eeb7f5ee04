"""The panel in the page of a row, and alone, as the page shows it anew."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from conversion_sync.admin.pages.panel import panel
from conversion_sync.admin.pages.row_page import RowAdmin, RowPage
from conversion_sync.admin.site import may_view
from conversion_sync.models import SyncedModel

__all__ = ["PAGE", "context"]


def context(modeladmin: RowAdmin, request: HttpRequest, row: SyncedModel) -> dict[str, Any]:
    """What the template of the panel is given; the row is prepared."""
    return {
        "panel": panel(
            row,
            modeladmin.badge(row),
            modeladmin.admin_site if may_view(request, "apicall") else None,
            modeladmin.get_actions(request),
            modeladmin.companions(row),
        ),
        "panel_links": list(modeladmin.panel_links(request, row)),
        "panel_url": modeladmin.row_address("panel", row),
        "do_url": modeladmin.row_address("do", row),
    }


def show(modeladmin: RowAdmin, request: HttpRequest, row: SyncedModel) -> HttpResponse:
    """The panel and the verdict, for the page to show them anew."""
    modeladmin.prepare([row])
    template = "admin/conversion_sync/includes/panel_live.html"
    return TemplateResponse(request, template, context(modeladmin, request, row))


PAGE = RowPage("panel", show)
