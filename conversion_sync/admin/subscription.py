"""The consent log in the admin: to be read; and to lift an opt-out, with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import router, transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from conversion_sync.admin import search
from conversion_sync.admin.base import ReadOnlyAdmin, SyncedAdmin
from conversion_sync.admin.filters import ErrorFilter, EventStatusFilter, recent_values
from conversion_sync.admin.waiting import note_contacts
from conversion_sync.models import Contact, Status, SubscriptionChange, SyncedModel

__all__ = ["SubscriptionChangeAdmin"]


class OverrideForm(forms.Form):
    """Why an opt-out is lifted."""

    reason = forms.CharField(
        label=_("reason"),
        max_length=1000,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text=_("How and when the person asked to be subscribed again, for the consent log."),
    )


def _may_override(request: HttpRequest) -> bool:
    user: Any = request.user
    return bool(user.has_perm("conversion_sync.override_consent"))


def _is_blocked(row: Any) -> bool:
    return (
        row.sync_status == Status.FAILED
        and row.last_error_code == "CONSENT_BLOCKED"
        and row.contact_id is not None
    )


def _override(row: SubscriptionChange) -> SubscriptionChange | None:
    """Enter the change again, as one that lifts older opt-outs; None if it was done meanwhile."""
    using = router.db_for_write(SubscriptionChange)
    with transaction.atomic(using=using):
        rows = Contact.unmarked.using(using).filter(pk__in=[row.contact_id])
        contact = rows.select_for_update().first()
        same = SubscriptionChange.unmarked.using(using).filter(
            pk=row.pk, sync_status=Status.FAILED, claim=None
        )
        if contact is None or not same.update(sync_status=Status.SUPERSEDED, due_at=None):
            return None
        entered = SubscriptionChange(
            contact_id=contact.pk,
            address=contact.key,
            status=row.status,
            previous_status=contact.subscription_status,
        )
        SubscriptionChange.enter(using, [entered])
    return entered


@admin.register(SubscriptionChange)
class SubscriptionChangeAdmin(ReadOnlyAdmin, SyncedAdmin):
    """Who changed which consent, when and why, and whether Conversion knows."""

    list_display = (
        "address",
        "sync_state",
        "previous_status",
        "new_status",
        "requested_by",
        "source",
        "created_at",
        "error",
        "synced_at",
    )
    list_filter = (
        EventStatusFilter,
        ErrorFilter,
        "status",
        recent_values("source", _("source")),
        "created_at",
    )
    list_select_related = ("contact",)
    sortable_by = ("created_at",)
    search_help_text = _("By the beginning of the email.")
    view_fieldsets = (
        (
            None,
            {
                "fields": (
                    "address",
                    "contact",
                    "previous_status",
                    "new_status",
                    "requested_by",
                    "source",
                    "reason",
                    "override",
                    "created_at",
                )
            },
        ),
    )

    def get_urls(self) -> list[Any]:
        view = require_http_methods(["GET", "POST"])(self.override_view)
        name = "conversion_sync_subscriptionchange_override"
        address = "<path:object_id>/override/"
        return [path(address, self.admin_site.admin_view(view), name=name), *super().get_urls()]

    def panel_context(self, request: HttpRequest, row: SyncedModel) -> dict[str, Any]:
        context = super().panel_context(request, row)
        if _is_blocked(row) and _may_override(request):
            context["panel_links"] = [(_("Subscribe anyway"), self.row_url("override", row))]
        return context

    def override_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lift the opt-out that blocks this change, with a reason."""
        row = self.row_or_404(request, object_id)
        if not _may_override(request):
            raise PermissionDenied
        form = OverrideForm(request.POST if request.method == "POST" else None)
        if not _is_blocked(row):
            self.message_user(request, _("No opt-out blocks this change."), messages.WARNING)
            return HttpResponseRedirect(self.row_url("change", row))
        if request.method == "POST" and form.is_valid():
            with self.on_behalf_of(request, reason=form.cleaned_data["reason"], override=True):
                entered = _override(row)
            self.log_change(request, row, gettext("Subscribed anyway."))
            text = _("The subscription is sent anyway; the reason is in the consent log.")
            self.message_user(request, text, messages.SUCCESS)
            return HttpResponseRedirect(self.row_url("change", entered or row))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Subscribe anyway"),
            "subtitle": str(row),
            "opts": self.opts,
            "row": row,
            "row_address": self.row_url("change", row),
            "form": form,
        }
        return TemplateResponse(request, "admin/conversion_sync/override.html", context)

    @admin.display(description=_("to"), ordering="status")
    def new_status(self, change: SubscriptionChange) -> str:
        """The subscription that was asked for."""
        return change.get_status_display()

    def matches(self, term: str) -> Q:
        return search.by_address("address", term)

    def prepare(self, rows: Sequence[SubscriptionChange]) -> None:
        note_contacts(rows)
