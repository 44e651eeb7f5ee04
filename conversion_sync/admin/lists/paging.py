"""Pages of long lists: nothing is counted, passed over or joined that is not shown."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from django.core import paginator
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from conversion_sync.status.estimates import EXACT, Count, about, table_sizes, up_to
from conversion_sync.status.numbers import grouped

__all__ = ["BoundedPaginator", "count_in_words"]

if TYPE_CHECKING:
    Paginator: TypeAlias = paginator.Paginator[Any]
else:
    Paginator = paginator.Paginator


class BoundedPaginator(Paginator):
    """Counts exactly while rows are few; knows of a whole table about how long it is.

    What is filtered is counted some pages further than the one that is shown, so that whoever
    turns the pages gets to the end of any list.
    """

    object_list: QuerySet[Any]

    #: The number of the page that is asked for, and so many rows are counted at a time.
    shown, step = 1, EXACT

    @cached_property
    def is_filtered(self) -> bool:
        """Whether the database can't tell from the size of the table how many there are."""
        return bool(self.object_list.query.has_filters())

    @cached_property
    def counted(self) -> Count:
        """How many rows there are, as far as that matters."""
        rows = self.object_list
        if self.is_filtered:
            first = (self.shown - 1) * self.per_page
            return up_to(self.step * (first // self.step + 1), rows)
        return about(rows, table_sizes([rows.model], rows.db)[rows.model])

    @cached_property
    def count(self) -> int:
        return self.counted.number

    def page(self, number: Any) -> Any:
        """As Django's; the rows are loaded."""
        number = self.validate_number(number)
        first, rows = (number - 1) * self.per_page, self.object_list
        is_estimate = not (self.counted.is_exact or self.is_filtered)
        if backwards := is_estimate and 2 * number > self.num_pages:
            # The last page of an estimate is still the last page.
            first, rows = (self.num_pages - number) * self.per_page, rows.reverse()
        if self.is_filtered and self.counted.is_exact:
            rows = _sorted(rows)
        found = _load(rows, first, first + self.per_page)
        return paginator.Page(found[::-1] if backwards else found, number, self)


def _sorted(rows: QuerySet[Any]) -> QuerySet[Any]:
    """The same order by values: the few rows of a filter are found by the filter and sorted.

    Else the database may look for them along the order's index, through the whole table.
    """

    def value(term: Any) -> Any:
        if not isinstance(term, str):
            return term
        name = term.removeprefix("-")
        column = Coalesce(F(name), F(name))
        return column.desc() if term.startswith("-") else column.asc()

    return rows.order_by(*map(value, rows.query.order_by))


def _load(rows: QuerySet[Any], first: int, end: int) -> list[Any]:
    """Load the rows from ``first`` to ``end``, passing over the others by their keys alone."""
    pks = list(rows.values_list("pk", flat=True)[first:end])
    found = {row.pk: row for row in rows.order_by().filter(pk__in=pks)}
    return [found[pk] for pk in pks if pk in found]


def count_in_words(count: Count) -> str:
    """A number, or “about 977,000”."""
    if count.is_exact:
        return grouped(count.number)
    # Three digits of an estimate are true.
    size = 10 ** max(0, len(str(count.number)) - 3)
    return _("about %s") % grouped(round(count.number / size) * size)
