"""The consent log in the admin: to be read."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from conversion_sync.admin import search
from conversion_sync.admin.base import ReadOnlyAdmin, SyncedAdmin
from conversion_sync.admin.filters import ErrorFilter, EventStatusFilter, recent_values
from conversion_sync.admin.waiting import note_contacts
from conversion_sync.models import SubscriptionChange

__all__ = ["SubscriptionChangeAdmin"]


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

    @admin.display(description=_("to"), ordering="status")
    def new_status(self, change: SubscriptionChange) -> str:
        """The subscription that was asked for."""
        return change.get_status_display()

    def matches(self, term: str) -> Q:
        return search.by_address("address", term)

    def prepare(self, rows: Sequence[SubscriptionChange]) -> None:
        note_contacts(rows)
