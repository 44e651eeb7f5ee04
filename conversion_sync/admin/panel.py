"""The panel on top of a row's page: where it stands, in facts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.contrib.admin import AdminSite
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from conversion_sync.admin import badges, times
from conversion_sync.models import ApiCall, SyncedModel

__all__ = ["Panel", "panel"]

MESSAGE_LENGTH = 2000


@dataclass(frozen=True)
class Panel:
    """The badge, and facts by name."""

    badge: SafeString
    facts: list[tuple[str, Any]] = field(default_factory=list)


def panel(row: SyncedModel, badge: SafeString, site: AdminSite) -> Panel:
    """What is known of the row's way to Conversion; blank facts are left out."""
    return Panel(badge, [(name, value) for name, value in _facts(row, site) if value])


def _facts(row: SyncedModel, site: AdminSite) -> Iterator[tuple[str, Any]]:
    yield _("Last error"), _error(row)
    yield _("Last sync"), row.last_synced_at and times.exact(row.last_synced_at)
    yield _("Last try"), row.last_attempt_at and times.exact(row.last_attempt_at)
    yield _("Last call"), _call(row, site)
    yield _("Id in Conversion"), row.remote_id


def _error(row: SyncedModel) -> SafeString | str:
    message = badges.one_line(row.last_error_message, MESSAGE_LENGTH) or badges.reason(row)
    if not message:
        return ""
    return format_html("<bdi>{}</bdi> <code>{}</code>", message, row.last_error_code)


def _call(row: SyncedModel, site: AdminSite) -> SafeString | str:
    # The log is pruned without rewriting the rows.
    call = ApiCall.objects.filter(pk=row.last_call_id).first() if row.last_call_id else None
    if call is None:
        return ""
    words = _("%(endpoint)s, %(duration)d ms, HTTP %(status)s") % {
        "endpoint": call.endpoint,
        "duration": call.duration_ms,
        "status": call.http_status or "–",  # noqa: RUF001  # a dash is meant
    }
    try:
        address = reverse(
            "admin:conversion_sync_apicall_change", args=(call.pk,), current_app=site.name
        )
    except NoReverseMatch:
        return words
    return format_html('<a href="{}">{}</a>', address, words)
