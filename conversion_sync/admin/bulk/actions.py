"""What staff can have done to the rows that they ticked, or to a whole list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from conversion_sync.admin.bulk import perform
from conversion_sync.admin.site import Admin
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

AdminAction = Callable[[Admin, HttpRequest, Any], HttpResponse | None]


def _made(action: BulkJob.Action, words: Any, permission: str = "sync") -> AdminAction:
    """Django's kind of action, called by the name of ours."""

    @admin.action(description=words, permissions=[permission])
    def act(modeladmin: Admin, request: HttpRequest, rows: Any) -> HttpResponse | None:
        return perform.respond(action, modeladmin, request, rows)

    act.__name__ = action.value
    return act


Action = BulkJob.Action

sync_now = _made(Action.SYNC_NOW, _("Sync now"))
retry_failed = _made(Action.RETRY_FAILED, _("Retry failed"))
set_subscription = _made(Action.SET_SUBSCRIPTION, _("Set subscription"), "set_subscription")
compare = _made(Action.COMPARE, _("Compare with Conversion"))
resend = _made(Action.RESEND, _("Resend those in doubt"))
mark_as_sent = _made(Action.MARK_AS_SENT, _("Mark those in doubt as sent"))
discard_failed = _made(Action.DISCARD_FAILED, _("Discard failed deletions"))
