"""Engagements in the admin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from conversion_sync.admin.forms.engagement import EngagementForm
from conversion_sync.admin.forms.mirrored import read_only
from conversion_sync.admin.lists import cells, search
from conversion_sync.admin.lists.filters import ErrorFilter, EventStatusFilter
from conversion_sync.admin.pages.delete import Consequence
from conversion_sync.admin.synced import SyncedAdmin
from conversion_sync.models import Engagement, ImmutableEngagement, Status
from conversion_sync.status import times
from conversion_sync.status.numbers import grouped

__all__ = ["EngagementAdmin"]

EVENT = ("contact", "name", "description")


@admin.register(Engagement)
class EngagementAdmin(SyncedAdmin):
    """What happened with contacts; to be edited until it is sent."""

    actions = (*SyncedAdmin.actions, "resend", "mark_as_sent")
    autocomplete_fields = ("contact",)
    form = EngagementForm
    list_display = ("event", "sync_state", "happened")
    list_filter = (EventStatusFilter, ErrorFilter, "occurred_at")
    list_select_related = ("contact",)
    sortable_by = ("happened",)
    edit_fieldsets = (
        (None, {"fields": (*EVENT, "occurred_at")}),
        (
            _("Details"),
            {
                "fields": (
                    "data_duration_minutes",
                    "data_outcome",
                    "data_next_steps",
                    "data_priority",
                    "data_tags",
                    "data",
                )
            },
        ),
        (_("Origin"), {"fields": ("source_key",)}),
    )
    view_fieldsets = (
        (None, {"fields": (*EVENT, "occurred")}),
        (_("Details"), {"fields": ("details",)}),
        (_("Origin"), {"fields": ("source_key",)}),
    )

    @admin.display(description=_("engagement"))
    def event(self, engagement: Engagement) -> SafeString:
        """What happened, and with whom."""
        contact = engagement.contact
        person = f"{contact.first_name} {contact.last_name}".strip()
        return cells.lines(
            cells.text(engagement.name), cells.text(person), cells.key(contact.email)
        )

    @admin.display(description=_("occurred at"), ordering="occurred_at")
    def happened(self, engagement: Engagement) -> SafeString | str:
        """When."""
        return cells.moment(engagement.occurred_at)

    @admin.display(description=_("details"))
    def details(self, engagement: Engagement) -> str:
        """The data, for reading."""
        return self.named_values(engagement.data)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """As the base; data that a mirror maps are shown for reading."""
        mapped, found = read_only(obj), super().get_fieldsets(request, obj)
        if "data" not in mapped or not self.may_edit(request, obj):
            return found
        # When it occurred, staff enter where no mirror does.
        event = (self.view_fieldsets if "occurred_at" in mapped else self.edit_fieldsets)[0]
        return (event, *self.view_fieldsets[1:])

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if "data" not in fields else (*fields, "details", "occurred")

    @admin.display(description=_("occurred at"))
    def occurred(self, engagement: Engagement) -> str:
        """When, to the second."""
        return times.exact(engagement.occurred_at)

    def may_edit(self, request: HttpRequest, obj: Engagement | None) -> bool:
        """Conversion can't be told of a change to what it may have."""
        return super().may_edit(request, obj) and (obj is None or obj.is_editable)

    def search_condition(self, term: str) -> Q:
        return search.engagement(term)

    def search_in_words(self) -> str:
        return search.engagement_in_words()

    def consequences(self, rows: QuerySet[Engagement]) -> Iterator[Consequence]:
        arrived = rows.filter(sync_status=Status.SYNCED).count()
        unsent = rows.exclude(sync_status=Status.SYNCED).count()
        if arrived:
            words = ngettext(
                "%s has arrived in Conversion, and stays there.",
                "%s have arrived in Conversion, and stay there.",
                arrived,
            )
            yield words % grouped(arrived), None
        if unsent:
            words = ngettext(
                "%s has not arrived in Conversion, and is not sent any more.",
                "%s have not arrived in Conversion, and are not sent any more.",
                unsent,
            )
            yield words % grouped(unsent), None

    def save_model(self, request: HttpRequest, obj: Engagement, form: Any, change: bool) -> None:  # type: ignore[override]  # this model's rows
        """As the base.

        Raises:
            ImmutableEngagement: it was sent since the form was shown.
        """
        if change and not obj.is_editable:
            raise ImmutableEngagement
        super().save_model(request, obj, form, change)
