"""Deletions in the admin: to be read, retried or discarded."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Q
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from conversion_sync.admin.lists import cells, search
from conversion_sync.admin.lists.filters import ErrorFilter, EventStatusFilter
from conversion_sync.admin.lists.read_only import ReadOnlyAdmin
from conversion_sync.admin.synced import SyncedAdmin
from conversion_sync.models import Deletion
from conversion_sync.status import times

__all__ = ["DeletionAdmin"]


@admin.register(Deletion)
class DeletionAdmin(ReadOnlyAdmin, SyncedAdmin):
    """What Conversion has still to forget."""

    actions = (*SyncedAdmin.actions, "discard_failed")
    list_display = ("shown_key", "sync_state", "asked")
    list_filter = (EventStatusFilter, ErrorFilter, "kind", "created_at")
    sortable_by = ("asked",)
    search_help_text = _("By the beginning of the email or the external id.")
    view_fieldsets = (
        (None, {"fields": ("key", "kind", "only_asks", "successor", "requested_by", "created")}),
    )

    @admin.display(description=_("key"))
    def shown_key(self, deletion: Deletion) -> SafeString:
        """The key, of what, and whether only the remote opt-out is asked for."""
        asks = gettext("Only asks for the opt-out") if deletion.only_asks else ""
        is_address = deletion.kind == Deletion.Kind.CONTACT
        key = cells.address(deletion.key) if is_address else cells.key(deletion.key)
        return cells.lines(key, deletion.get_kind_display(), asks)

    @admin.display(description=_("asked for"), ordering="created_at")
    def asked(self, deletion: Deletion) -> SafeString:
        """When, and by whom."""
        return cells.lines(cells.moment(deletion.created_at), cells.asker(deletion.requested_by))

    @admin.display(description=_("created at"))
    def created(self, deletion: Deletion) -> str:
        """When it was asked for, to the second."""
        return times.exact(deletion.created_at)

    def search_condition(self, term: str) -> Q:
        return search.by_address("key", term) | Q(key__startswith=term)
