"""The actions that are buttons on a row: on its page, and in its list."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme

from conversion_sync.admin.bulk.perform import at_once
from conversion_sync.admin.pages.row_page import RowAdmin, RowPage
from conversion_sync.admin.site import address
from conversion_sync.models import BulkJob, SyncedModel

__all__ = ["PAGE", "allowed"]

NAMES = frozenset({"sync_now", "retry_failed", "resend", "mark_as_sent", "discard_failed"})


def allowed(modeladmin: RowAdmin, request: HttpRequest) -> frozenset[str]:
    """The names of those that this person may do."""
    return NAMES.intersection(modeladmin.get_actions(request))


def do(modeladmin: Any, request: HttpRequest, row: SyncedModel) -> HttpResponse:
    """Do one of them to this row, and lead back to where its button was pressed."""
    name = request.POST.get("action", "")
    if name not in allowed(modeladmin, request):
        raise PermissionDenied
    with modeladmin.on_behalf_of(request):
        rows = modeladmin.get_queryset(request).filter(pk=row.pk)
        at_once(BulkJob.Action(name), modeladmin, request, rows)
    if modeladmin.get_object(request, str(row.pk)) is None:
        opts = modeladmin.opts
        changelist = f"{opts.app_label}_{opts.model_name}_changelist"
        return HttpResponseRedirect(address(modeladmin.admin_site, changelist))
    return HttpResponseRedirect(_list(request) or modeladmin.row_address("change", row))


def _list(request: HttpRequest) -> str:
    """The address of the list in which a button was pressed; blank where it was on a page."""
    back = request.POST.get("back", "")
    is_ours = url_has_allowed_host_and_scheme(
        back, {request.get_host()}, require_https=request.is_secure()
    )
    return back if is_ours else ""


PAGE = RowPage("do", do, methods=("POST",))
