"""Filters of the lists; none of them reads a whole table to offer its choices."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from conversion_sync.admin.site import Admin
from conversion_sync.models import Status
from conversion_sync.status import errors
from conversion_sync.sync.readiness import RETRYING

__all__ = [
    "CallErrorFilter",
    "ErrorFilter",
    "EventStatusFilter",
    "RecordStatusFilter",
    "recent_values",
]

#: So many of the newest rows are looked at for the values of a column.
RECENT = 1000


class RecordStatusFilter(admin.SimpleListFilter):
    """The state of a row, in the words of its badge."""

    title = _("sync status")
    parameter_name = "status"
    states: ClassVar[dict[str, tuple[Any, Q]]] = {
        "synced": (_("Synced"), Q(sync_status=Status.SYNCED)),
        "waiting": (_("Waiting to be sent"), Q(sync_status=Status.PENDING) & ~RETRYING),
        "retrying": (_("Retrying"), RETRYING),
        "sending": (_("Sending"), Q(sync_status=Status.SENDING)),
        "failed": (_("Failed"), Q(sync_status=Status.FAILED)),
    }

    def lookups(self, request: HttpRequest, model_admin: Admin) -> list[tuple[str, Any]]:
        return [(name, words) for name, (words, _rows) in self.states.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        state = self.states.get(self.value() or "")
        return queryset.filter(state[1]) if state else queryset


class EventStatusFilter(RecordStatusFilter):
    """Events may be in doubt, or superseded, too."""

    states: ClassVar[dict[str, tuple[Any, Q]]] = {
        **RecordStatusFilter.states,
        "in-doubt": (_("In doubt"), Q(sync_status=Status.UNCONFIRMED)),
        "superseded": (_("Superseded"), Q(sync_status=Status.SUPERSEDED)),
    }


#: What has arrived has no error; the index begins with the status.
_UNSYNCED = [status for status in Status if status != Status.SYNCED]


class CallErrorFilter(admin.SimpleListFilter):
    """How calls failed; offered is whatever there is."""

    title = _("error")
    parameter_name = "error_code"

    #: The column, and what holds of the rows that have an error.
    column: ClassVar[str] = "error_code"
    failed: ClassVar[Q] = Q()

    def lookups(self, request: HttpRequest, model_admin: Admin) -> list[tuple[str, Any]]:
        # Of an index that holds the column; those without an error are passed over in it.
        rows = model_admin.model._default_manager.filter(self.failed, **{f"{self.column}__gt": ""})
        codes = set(rows.order_by().values_list(self.column, flat=True).distinct())
        chosen = self.used_parameters.get(self.parameter_name)
        return [(code, _words(code)) for code in sorted({*codes, chosen} - {"", None})]

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        return queryset.filter(self.failed, **{self.column: self.value()})


class ErrorFilter(CallErrorFilter):
    """Why rows have not arrived; offered is whatever there is, of those tried again, too."""

    parameter_name = "error"
    column = "last_error_code"
    failed = Q(sync_status__in=_UNSYNCED)


def _words(code: str) -> str:
    return f"{errors.error_words(code)} ({code})" if errors.is_known(code) else code


def recent_values(column: str, name: Any) -> type[admin.SimpleListFilter]:
    """A filter by a column, offering the values of the newest rows."""

    class RecentValuesFilter(admin.SimpleListFilter):
        title = name
        parameter_name = column

        def lookups(self, request: HttpRequest, model_admin: Admin) -> list[tuple[str, Any]]:
            rows = model_admin.model._default_manager.order_by("-pk")
            values = set(rows.values_list(column, flat=True)[:RECENT])
            chosen = self.used_parameters.get(self.parameter_name)
            return [(value, value) for value in sorted({*values, chosen} - {"", None})]

        def has_output(self) -> bool:
            return True

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            return queryset.filter(**{column: self.value()}) if self.value() else queryset

    return RecentValuesFilter
