"""Filters of the lists; none of them reads a whole table to offer its choices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from conversion_sync.admin.badges import CODES
from conversion_sync.admin.types import Admin, ChangeList
from conversion_sync.models import Status

__all__ = [
    "CompanyFilter",
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
        "waiting": (_("Waiting to be sent"), Q(sync_status=Status.PENDING, last_error_code="")),
        "retrying": (_("Retrying"), Q(sync_status=Status.PENDING) & ~Q(last_error_code="")),
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


class ErrorFilter(admin.SimpleListFilter):
    """The last error; offered are those for which rows failed."""

    title = _("error")
    parameter_name = "error"

    def lookups(self, request: HttpRequest, model_admin: Admin) -> list[tuple[str, Any]]:
        rows = model_admin.model._default_manager.filter(
            sync_status__in=(Status.FAILED, Status.UNCONFIRMED)
        )
        codes = set(rows.order_by().values_list("last_error_code", flat=True).distinct())
        chosen = self.used_parameters.get(self.parameter_name)
        return [(code, _words(code)) for code in sorted({*codes, chosen} - {"", None})]

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        # What has arrived has no error; the index begins with the status.
        unsynced = [status for status in Status if status != Status.SYNCED]
        return queryset.filter(sync_status__in=unsynced, last_error_code=self.value())


def _words(code: str) -> str:
    return f"{CODES[code]} ({code})" if code in CODES else code


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


class CompanyFilter(admin.FieldListFilter):
    """One company, found by typing; the companies themselves may be a million."""

    template = "admin/conversion_sync/filters/company.html"

    def __init__(
        self,
        field: Any,
        request: HttpRequest,
        params: dict[str, list[str]],
        model: Any,
        model_admin: Admin,
        field_path: str,
    ) -> None:
        self.parameter = f"{field_path}__id__exact"
        super().__init__(field, request, params, model, model_admin, field_path)
        self.site = model_admin.admin_site
        self.companies = field.remote_field.model._default_manager

    def expected_parameters(self) -> list[str | None]:
        return [self.parameter]

    def has_output(self) -> bool:
        return True

    @property
    def chosen(self) -> str:
        """The primary key that is asked for; blank if none is, or not one."""
        given: Any = self.used_parameters.get(self.parameter) or [""]
        value = str(given[0])
        return value if value.isdecimal() and value.isascii() and len(value) < 19 else ""

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        widget = AutocompleteSelect(self.field, self.site, attrs={"data-filter-select": ""})
        widget.choices = self._choices()
        kept = changelist.get_filters_params().items()
        yield {
            "selected": bool(self.chosen),
            "widget": widget.render(self.parameter, self.chosen, {"id": "id_company_filter"}),
            "kept": [(k, v) for k, values in kept if k != self.parameter for v in values],
            "query": changelist.query,
            "clear": changelist.get_query_string(remove=[self.parameter]),
        }

    def _choices(self) -> Any:
        from django.forms.models import ModelChoiceField

        return ModelChoiceField(self.companies.all(), required=False).choices
