"""What staff can have done to rows they ticked. Each calls the queryset, and says how many."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext_lazy, ngettext

from conversion_sync.admin.types import Admin, Rows

__all__ = ["discard_failed", "mark_as_sent", "resend", "retry_failed", "sync_now"]


def _say(modeladmin: Admin, request: HttpRequest, count: int, done: str, nothing: Any) -> None:
    if count:
        modeladmin.message_user(request, done % count, messages.SUCCESS)
    else:
        modeladmin.message_user(request, nothing, messages.WARNING)


@admin.action(description=gettext_lazy("Sync now"), permissions=["sync"])
def sync_now(modeladmin: Admin, request: HttpRequest, rows: Rows) -> None:
    """Send the rows now."""
    count = rows.sync_now()
    done = ngettext("%d row is sent now.", "%d rows are sent now.", count)
    nothing = gettext_lazy("None of these rows waits to be sent.")
    _say(modeladmin, request, count, done, nothing)


@admin.action(description=gettext_lazy("Retry failed"), permissions=["sync"])
def retry_failed(modeladmin: Admin, request: HttpRequest, rows: Rows) -> None:
    """Try the failed ones among the rows again."""
    count = rows.retry_failed()
    done = ngettext("%d failed row is tried again.", "%d failed rows are tried again.", count)
    _say(modeladmin, request, count, done, gettext_lazy("None of these rows has failed."))


@admin.action(description=gettext_lazy("Resend those in doubt"), permissions=["sync"])
def resend(modeladmin: Admin, request: HttpRequest, rows: Any) -> None:
    """Send the engagements in doubt again: they may arrive twice."""
    count = rows.resend()
    done = ngettext(
        "%d engagement in doubt is sent again.", "%d engagements in doubt are sent again.", count
    )
    _say(modeladmin, request, count, done, gettext_lazy("None of these engagements is in doubt."))


@admin.action(description=gettext_lazy("Mark those in doubt as sent"), permissions=["sync"])
def mark_as_sent(modeladmin: Admin, request: HttpRequest, rows: Any) -> None:
    """Take the engagements in doubt for arrived."""
    count = rows.mark_as_sent()
    done = ngettext(
        "%d engagement in doubt is marked as sent.",
        "%d engagements in doubt are marked as sent.",
        count,
    )
    _say(modeladmin, request, count, done, gettext_lazy("None of these engagements is in doubt."))


@admin.action(description=gettext_lazy("Discard failed deletions"), permissions=["sync"])
def discard_failed(modeladmin: Admin, request: HttpRequest, rows: Any) -> None:
    """Forget the failed deletions among the rows: what they held up goes on."""
    count = rows.discard_failed()
    done = ngettext("%d failed deletion is discarded.", "%d failed deletions are discarded.", count)
    _say(modeladmin, request, count, done, gettext_lazy("None of these deletions has failed."))
