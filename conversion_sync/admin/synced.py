"""What the lists and pages of all rows have in common that Conversion is told of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from conversion_sync.admin import badges
from conversion_sync.admin.bulk import actions as bulk_actions
from conversion_sync.admin.pages import delete
from conversion_sync.admin.pages.row import RowPagesAdmin
from conversion_sync.admin.site import ChangeList
from conversion_sync.models import Status, SyncedModel

__all__ = ["SyncedAdmin"]


class SyncedAdmin(RowPagesAdmin):
    """Rows that say of themselves whether they have arrived.

    A model's own module says what is special about its rows: it sets ``actions``, and what
    ``RowPagesAdmin`` names, and overrides what it has something to add to: ``search_condition``,
    ``consequences``.
    """

    #: By the names of the actions below.
    actions: Any = ("sync_now", "retry_failed")
    ordering = ("-pk",)
    search_fields = ("pk",)  # For the search box; `search_condition` says what is looked at.

    sync_now = bulk_actions.sync_now
    retry_failed = bulk_actions.retry_failed
    set_subscription = bulk_actions.set_subscription
    compare = bulk_actions.compare
    resend = bulk_actions.resend
    mark_as_sent = bulk_actions.mark_as_sent
    discard_failed = bulk_actions.discard_failed

    class Media:
        css = {"all": ("conversion_sync/admin.css",)}  # noqa: RUF012  # Django's own convention
        js = ("conversion_sync/filter.js", "conversion_sync/live.js", "conversion_sync/zone.js")

    # Lists

    def get_changelist_instance(self, request: Any) -> ChangeList:
        """As Django's, made once for a request: an action asks for it again."""
        if not hasattr(request, "conversion_sync_list"):
            request.conversion_sync_list = super().get_changelist_instance(request)
        changelist: ChangeList = request.conversion_sync_list
        return changelist

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        term = search_term.replace("\0", "").strip()
        return (queryset.filter(self.search_condition(term)) if term else queryset), False

    def search_condition(self, term: str) -> Q:
        """What a search for this term finds."""
        raise NotImplementedError

    @admin.display(description=gettext_lazy("last error"))
    def error(self, row: SyncedModel) -> str | SafeString:
        """Why the last try did not succeed."""
        # The badge of a failed row says why.
        said = "" if row.sync_status == Status.FAILED else badges.reason(row)
        if not row.last_error_code and not said:
            return ""
        return badges.error(said, row.last_error_code)

    @admin.display(description=gettext_lazy("last sync"))
    def synced_at(self, row: SyncedModel) -> Any:
        """When the row last arrived."""
        return row.last_synced_at

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> Any:
        # Django names the place since 6.1; before, there was but one.
        place = {} if action_location is None else {"action_location": action_location}
        found = super().get_actions(request, **place)
        if delete.delete_selected.__name__ in found:
            found[delete.delete_selected.__name__] = self.get_action(delete.delete_selected)
        return found

    # Deleting

    def get_deleted_objects(self, objs: Any, request: Any) -> Any:
        """What the template shows, in place of Django's list of all that goes."""
        rows = objs
        if not isinstance(objs, QuerySet):
            rows = self.get_queryset(request).filter(pk__in=[row.pk for row in objs])
        summary = delete.summary(request, rows, self.consequences(rows))
        missing = set() if self.has_delete_permission(request) else {self.opts.verbose_name}
        return summary, {}, missing | self.missing_to_delete(request, rows), []

    def consequences(self, rows: QuerySet[Any]) -> Iterable[delete.Consequence]:
        """What becomes of other rows, and of Conversion, when these are deleted.

        Returns:
            Sentences, each with the rows that it names, or None.
        """
        return ()

    def missing_to_delete(self, request: HttpRequest, rows: QuerySet[Any]) -> set[Any]:
        """The kinds of rows that would go with these, and that this person may not delete."""
        return set()

    def render_delete_form(self, request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
        context["row_address"] = self.row_address("change", context["object"])
        return super().render_delete_form(request, context)
