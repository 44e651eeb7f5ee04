"""Deletions in the admin: to be read, retried or discarded."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from conversion_sync.admin.lists import search
from conversion_sync.admin.lists.filters import ErrorFilter, EventStatusFilter
from conversion_sync.admin.lists.read_only import ReadOnlyAdmin
from conversion_sync.admin.synced import SyncedAdmin
from conversion_sync.models import Deletion

__all__ = ["DeletionAdmin"]


@admin.register(Deletion)
class DeletionAdmin(ReadOnlyAdmin, SyncedAdmin):
    """What Conversion has still to forget."""

    actions = (*SyncedAdmin.actions, "discard_failed")
    list_display = (
        *("key", "sync_state", "kind", "only_asks"),
        *("requested_by", "created_at", "error", "synced_at"),
    )
    list_filter = (EventStatusFilter, ErrorFilter, "kind", "created_at")
    sortable_by = ("created_at",)
    search_help_text = _("By the beginning of the email or the external id.")
    view_fieldsets = (
        (None, {"fields": ("key", "kind", "only_asks", "successor", "requested_by", "created_at")}),
    )

    def search_condition(self, term: str) -> Q:
        return search.by_address("key", term) | Q(key__startswith=term)
