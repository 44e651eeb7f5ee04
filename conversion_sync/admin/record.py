"""What the lists and pages of records have in common: of rows that have a key in Conversion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from conversion_sync.admin.forms.record import RecordForm
from conversion_sync.admin.lists.filters import ErrorFilter, RecordStatusFilter
from conversion_sync.admin.pages import compare
from conversion_sync.admin.pages.delete import Consequence, in_conversion
from conversion_sync.admin.pages.import_export import ImportExportAdmin
from conversion_sync.admin.pages.row_page import RowPage
from conversion_sync.admin.synced import SyncedAdmin

__all__ = ["RecordAdmin"]


class RecordAdmin(ImportExportAdmin, SyncedAdmin):
    """Records: compared with Conversion's, imported and exported, deleted there, too."""

    actions = (*SyncedAdmin.actions, "compare")
    form = RecordForm
    list_filter: ClassVar[Any] = (RecordStatusFilter, ErrorFilter)
    row_pages: ClassVar[Sequence[RowPage]] = (compare.PAGE,)

    @admin.display(description=_("custom variables"))
    def variables(self, row: Any) -> str:
        """The custom variables, for reading."""
        return self.named_values(row.custom_variables)

    def panel_links(self, request: HttpRequest, row: Any) -> Iterator[tuple[str, str]]:
        yield from super().panel_links(request, row)
        yield from compare.links(self, request, row)

    def consequences(self, rows: QuerySet[Any]) -> Iterator[Consequence]:
        yield from in_conversion(rows)
