"""The panel on top of a row's page: where it stands, in facts."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.admin import AdminSite
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from conversion_sync.admin import badges
from conversion_sync.admin.forms.key_values import as_text
from conversion_sync.admin.lists.buttons import Button, buttons
from conversion_sync.admin.lists.waiting import follows
from conversion_sync.admin.pages.names import field_name
from conversion_sync.admin.site import address
from conversion_sync.models import ApiCall, Status, SyncedModel
from conversion_sync.models.record import Record
from conversion_sync.status import times
from conversion_sync.status.errors import remedy
from conversion_sync.sync.compare import next_push

__all__ = ["Panel", "panel", "refresh_seconds", "value_in_words"]

MESSAGE_LENGTH, VALUE_LENGTH = 2000, 300


#: Seconds between two looks at a row that is on its way, and at one that waits for its time.
SOON, LATER = 2, 15


@dataclass(frozen=True)
class PushedField:
    """What the next push does to one field."""

    name: str
    known: str
    becomes: str


@dataclass(frozen=True)
class Panel:
    """The badge, facts by name, what the next push changes, and what a person can do.

    ``every``: seconds after which it shows itself anew; 0 where nothing is on its way.
    """

    badge: SafeString
    facts: list[tuple[str, Any]] = field(default_factory=list)
    changes: list[PushedField] = field(default_factory=list)
    is_first: bool = False
    buttons: list[Button] = field(default_factory=list)
    every: int = 0


def panel(
    row: SyncedModel,
    badge: SafeString,
    calls: AdminSite | None,
    actions: Collection[str],
    companions: Sequence[SyncedModel] = (),
) -> Panel:
    """What is known of the row's way to Conversion; blank facts are left out.

    Args:
        calls: the site whose call log this person may look at; None: of none.
        actions: the names of what this person may do.
        companions: other rows that the badge speaks of.
    """
    return Panel(
        badge,
        [(name, value) for name, value in _facts(row, calls) if value],
        _changes(row),
        isinstance(row, Record) and row.sent_payload is None,
        list(buttons(row, actions)),
        refresh_seconds((row, *companions)),
    )


def refresh_seconds(rows: Iterable[SyncedModel]) -> int:
    """Seconds after which a page shows these rows anew; 0 if nothing of them is on its way."""
    return min(filter(None, map(_refresh_seconds, rows)), default=0)


def _refresh_seconds(row: SyncedModel) -> int:
    """Seconds after which the panel shows a row anew; 0 if nothing of it is on its way."""
    if row.sync_status not in (Status.PENDING, Status.SENDING):
        return SOON if follows(row) else 0
    soon = row.due_at is None or row.due_at < times.now() + datetime.timedelta(seconds=LATER)
    return SOON if soon or row.sync_status == Status.SENDING else LATER


def _changes(row: SyncedModel) -> list[PushedField]:
    if not isinstance(row, Record) or row.sync_status == Status.SYNCED:
        return []
    return [
        PushedField(
            field_name(type(row), change.name),
            value_in_words(change.before),
            value_in_words(change.after),
        )
        for change in next_push(row)
    ]


def value_in_words(value: Any) -> str:
    """A value of a payload on one line, cut; blank where there is none."""
    return "" if value is None else badges.one_line(as_text(value), VALUE_LENGTH)


def _facts(row: SyncedModel, calls: AdminSite | None) -> Iterator[tuple[str, Any]]:
    yield _("Last error"), _error(row)
    yield _("What to do"), _to_do(row)
    yield _("Last sync"), row.last_synced_at and times.exact(row.last_synced_at)
    tried = _("Sending since") if row.sync_status == Status.SENDING else _("Last try")
    yield tried, row.last_attempt_at and times.exact(row.last_attempt_at)
    yield _("Last call"), _call(row, calls)
    yield (
        _("Id in Conversion"),
        row.remote_id and badges.isolated(badges.one_line(row.remote_id, VALUE_LENGTH)),
    )


def _error(row: SyncedModel) -> SafeString | str:
    said = badges.said_in_full(row.last_error_message, row.last_error_code, MESSAGE_LENGTH)
    return badges.error(said, row.last_error_code) if said else ""


def _to_do(row: SyncedModel) -> str:
    if row.sync_status == Status.SYNCED:
        return ""
    return remedy(row.last_error_code, row.sync_status)


def _call(row: SyncedModel, calls: AdminSite | None) -> SafeString | str:
    # The log is pruned without rewriting the rows.
    call = ApiCall.objects.filter(pk=row.last_call_id).first() if row.last_call_id else None
    if call is None:
        return ""
    words = _("%(endpoint)s, %(duration)d ms, HTTP %(status)s") % {
        "endpoint": call.endpoint,
        "duration": call.duration_ms,
        "status": call.http_status or "–",  # noqa: RUF001  # a dash is meant
    }
    page = address(calls, "conversion_sync_apicall_change", call.pk) if calls else ""
    return format_html('<a href="{}">{}</a>', page, words) if page else words
