"""The cell of a list that says where a row stands."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from conversion_sync.admin import badges
from conversion_sync.admin.lists import buttons, cells
from conversion_sync.models import Status, SyncedModel

__all__ = ["cell"]


def cell(row: SyncedModel, badge: SafeString) -> SafeString:
    """The badge, why the last try did not succeed, and when that was; and buttons."""
    when = format_html_join(", ", "{}", ((each,) for each in _when(row)))
    return cells.lines(badge, _error(row), when, buttons.in_list(row))


def _error(row: SyncedModel) -> SafeString | str:
    """Why the last try did not succeed."""
    # The badge of a failed row says why.
    said = "" if row.sync_status == Status.FAILED else badges.reason(row)
    return badges.error(said, row.last_error_code) if row.last_error_code or said else ""


def _when(row: SyncedModel) -> Iterator[SafeString]:
    """When it was last tried, and when the row last arrived."""
    # The badge of a row that has arrived says when.
    if row.sync_status == Status.SYNCED:
        return
    if row.last_attempt_at is not None and row.sync_status != Status.UNCONFIRMED:
        sending = row.sync_status == Status.SENDING
        words = _("since {}") if sending else _("last try {}")
        yield format_html(words, cells.moment(row.last_attempt_at))
    if row.last_synced_at is not None:
        yield format_html(_("last sync {}"), cells.moment(row.last_synced_at))
