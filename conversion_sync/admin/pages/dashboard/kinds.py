"""The rows by kind and state."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy

from conversion_sync.admin.lists.paging import count_in_words
from conversion_sync.admin.pages.dashboard.cell import Cell
from conversion_sync.admin.pages.dashboard.links import list_address
from conversion_sync.models import Status
from conversion_sync.status.counts import KindState
from conversion_sync.status.estimates import Count
from conversion_sync.status.spans import span

__all__ = ["COLUMNS", "KindLine", "kind_line"]

#: The columns, and the values of the lists' filter by status.
COLUMNS = {
    "synced": gettext_lazy("Synced"),
    "waiting": gettext_lazy("Waiting to be sent"),
    "retrying": gettext_lazy("Retrying"),
    "sending": gettext_lazy("Sending"),
    "failed": gettext_lazy("Failed"),
    "in-doubt": gettext_lazy("In doubt"),
}


@dataclass(frozen=True)
class KindLine:
    """A kind of rows in a line of the table."""

    label: str
    address: str
    cells: Sequence[Cell]
    oldest: str


def kind_line(
    request: HttpRequest, kind: KindState, now: datetime.datetime, site: AdminSite
) -> KindLine:
    """The line of one kind."""
    counts = _counts(kind)
    cells = [
        Cell(
            label=str(words),
            count=count_in_words(counts[name]),
            address=list_address(request, kind.name, site, status=name)
            if counts[name].number
            else "",
        )
        for name, words in COLUMNS.items()
    ]
    oldest = span((now - kind.oldest_due).total_seconds()) if kind.oldest_due else ""
    return KindLine(capfirst(kind.label), list_address(request, kind.name, site), cells, oldest)


def _counts(kind: KindState) -> dict[str, Count]:
    """How many rows each column has; none stands in two of them."""
    by_status = {status: kind.counts.get(status, 0) for status in Status.values}
    return {
        "synced": Count(by_status[Status.SYNCED], kind.synced_is_exact),
        "waiting": Count(by_status[Status.PENDING] - kind.retrying),
        "retrying": Count(kind.retrying),
        "sending": Count(by_status[Status.SENDING]),
        "failed": Count(by_status[Status.FAILED]),
        "in-doubt": Count(by_status[Status.UNCONFIRMED]),
    }
