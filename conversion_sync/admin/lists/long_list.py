"""Lists that stay fast at any size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import PAGE_VAR, SEARCH_VAR
from django.http import HttpRequest
from django.utils.translation import gettext as _

from conversion_sync.admin.lists.paging import BoundedPaginator, count_in_words
from conversion_sync.admin.site import Admin, ChangeList
from conversion_sync.status.numbers import grouped

__all__ = ["LongChangeList", "LongListAdmin"]

#: Of what a search finds, so many rows are counted at a time: no index alone can count them.
FOUND = 1000

#: No list has more pages; beyond it, numbers would be too large for a database.
PAGES = 10**9


class LongChangeList(ChangeList):
    """A list that is sorted by what an index holds, and says in words how long it is."""

    paginator: BoundedPaginator

    def get_ordering_field(self, field_name: Any) -> Any:
        """As Django's, and what is not offered can't be asked for by address either."""
        if self.sortable_by is not None and field_name not in self.sortable_by:
            return None
        if field_name == getattr(self.model, "KEY", None):
            return "key"
        return super().get_ordering_field(field_name)

    def get_ordering(self, request: HttpRequest, queryset: Any) -> Any:
        """As Django's; rows that are equal go the same way, as they do in an index."""
        first, *others = super().get_ordering(request, queryset)
        if set(others) == {"-pk"} and not str(first).startswith("-"):
            others = ["pk"]
        return [first, *others]

    def get_results(self, request: HttpRequest) -> None:
        """As Django's; for a POST not before they are used, as an action needs none of them."""
        if request.method == "POST":
            self._put_off_for = request
        else:
            self._load(request)

    def __getattr__(self, name: str) -> Any:
        """An attribute that Django's ``get_results`` sets, where that was put off."""
        request = vars(self).pop("_put_off_for", None)
        if request is None:
            raise AttributeError(name)
        self._load(request)
        return getattr(self, name)

    def _load(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = list(self.result_list)
        admin: Any = self.model_admin
        admin.prepare(rows)
        self.result_list = rows
        if self.is_uncounted:
            # The search form says nothing of a number that it can't put into words.
            self.full_result_count = self.result_count

    @property
    def is_uncounted(self) -> bool:
        """Whether nobody knows exactly how many rows there are."""
        return not self.paginator.counted.is_exact

    @property
    def length(self) -> str:
        """The number of rows: “12”, “about 977,000”, “more than 10,000”."""
        count = self.paginator.counted
        if self.paginator.is_filtered and self.is_uncounted:
            return _("more than %s") % grouped(count.number - 1)
        return count_in_words(count)

    @property
    def in_words(self) -> InWords:
        """This list, for a template that shows its length."""
        return InWords(self)


class InWords:
    """A list whose length is said in words; all else is as in the list."""

    def __init__(self, changelist: LongChangeList) -> None:
        self.changelist = changelist
        self.result_count = changelist.length

    def __getattr__(self, name: str) -> Any:
        return getattr(self.changelist, name)


class LongListAdmin(Admin):
    """A model with too many rows to be counted or sorted for each page."""

    change_list_template = "admin/conversion_sync/change_list.html"
    list_per_page = 50
    paginator = BoundedPaginator
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    #: Only what an index holds.
    sortable_by: ClassVar[tuple[str, ...]] = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return LongChangeList

    def get_paginator(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        pages: Any = super().get_paginator(request, *args, **kwargs)
        # Of a list, or of the choices of a field.
        page = request.GET.get(PAGE_VAR) or request.GET.get("page") or ""
        if page.isdecimal():
            pages.shown = max(1, min(int(page[:12]), PAGES))
        if request.GET.get(SEARCH_VAR) or request.GET.get("term"):
            pages.step = FOUND
        return pages

    def prepare(self, rows: Sequence[Any]) -> None:
        """Note on each of the rows what its badge says beside its columns.

        Called before rows are shown, with all rows of the page: in few queries for all of them.
        """
