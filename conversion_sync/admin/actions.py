"""What staff can have done to the rows that they ticked, or to a whole list."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from conversion_sync.admin import bulk
from conversion_sync.admin.types import Admin
from conversion_sync.models import BulkJob

__all__ = [
    "compare",
    "discard_failed",
    "mark_as_sent",
    "resend",
    "retry_failed",
    "set_subscription",
    "sync_now",
]

Action = BulkJob.Action
Answer = HttpResponse | None


@admin.action(description=_("Sync now"), permissions=["sync"])
def sync_now(modeladmin: Admin, request: HttpRequest, rows: Any) -> Answer:
    """Send the rows now."""
    return bulk.respond(Action.SYNC_NOW, modeladmin, request, rows)


@admin.action(description=_("Retry failed"), permissions=["sync"])
def retry_failed(modeladmin: Admin, request: HttpRequest, rows: Any) -> Answer:
    """Try the failed ones among the rows again."""
    return bulk.respond(Action.RETRY_FAILED, modeladmin, request, rows)


@admin.action(description=_("Set subscription"), permissions=["set_subscription"])
def set_subscription(modeladmin: Admin, request: HttpRequest, rows: Any) -> Answer:
    """Set the subscription of the contacts, with a reason."""
    return bulk.respond(Action.SET_SUBSCRIPTION, modeladmin, request, rows)


@admin.action(description=_("Compare with Conversion"), permissions=["sync"])
def compare(modeladmin: Admin, request: HttpRequest, rows: Any) -> Answer:
    """Report where Conversion has something else, or push ours there."""
    return bulk.respond(Action.COMPARE, modeladmin, request, rows)


@admin.action(description=_("Resend those in doubt"), permissions=["sync"])
def resend(modeladmin: Admin, request: HttpRequest, rows: Any) -> Answer:
    """Send the engagements in doubt again: they may arrive twice."""
    return bulk.respond(Action.RESEND, modeladmin, request, rows)


@admin.action(description=_("Mark those in doubt as sent"), permissions=["sync"])
def mark_as_sent(modeladmin: Admin, request: HttpRequest, rows: Any) -> Answer:
    """Take the engagements in doubt for arrived."""
    return bulk.respond(Action.MARK_AS_SENT, modeladmin, request, rows)


@admin.action(description=_("Discard failed deletions"), permissions=["sync"])
def discard_failed(modeladmin: Admin, request: HttpRequest, rows: Any) -> Answer:
    """Forget the failed deletions among the rows: what they held up goes on."""
    return bulk.respond(Action.DISCARD_FAILED, modeladmin, request, rows)
