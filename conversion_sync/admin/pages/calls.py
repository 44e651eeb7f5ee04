"""From a call to its rows: those whose last call it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString

from conversion_sync.admin.badges import one_line
from conversion_sync.models import ApiCall

__all__ = ["RowsOfKind", "rows_of"]

#: So many rows of a kind are shown.
SHOWN, NAME_LENGTH = 50, 100


@dataclass(frozen=True)
class CallRow:
    """A row, its page, and its badge."""

    name: str
    address: str
    badge: SafeString


@dataclass(frozen=True)
class RowsOfKind:
    """The rows of one kind whose last call it was: how many, and the first of them."""

    label: str
    count: int
    lines: Sequence[CallRow]

    @property
    def more(self) -> int:
        """How many are not shown."""
        return self.count - len(self.lines)


def rows_of(call: ApiCall, request: HttpRequest, admins: Iterable[Any]) -> Iterator[RowsOfKind]:
    """The rows of each kind that this person may look at; kinds without any are left out.

    Args:
        admins: the model admins of the kinds.
    """
    for admin in admins:
        if admin.has_view_permission(request):
            found = admin.get_queryset(request).filter(last_call=call.pk)
            if count := found.count():
                yield _kind(admin, found, count)


def _kind(admin: Any, found: Any, count: int) -> RowsOfKind:
    related = admin.list_select_related
    rows = list((found.select_related(*related) if related else found).order_by("pk")[:SHOWN])
    admin.prepare(rows)
    label = admin.opts.verbose_name if count == 1 else admin.opts.verbose_name_plural
    return RowsOfKind(
        str(label),
        count,
        [
            CallRow(
                one_line(str(row), NAME_LENGTH),
                admin.row_address("change", row),
                admin.badge(row),
            )
            for row in rows
        ],
    )
