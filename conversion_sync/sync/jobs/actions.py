"""What a job does to rows, and to which rows it does anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db.models import Q

from conversion_sync.models import BulkJob, Status, Subscription
from conversion_sync.models.record import Record
from conversion_sync.sync.consent.opted_out import opted_out, opted_out_since

__all__ = ["Action", "act", "concerns"]

Action = BulkJob.Action


def concerns(action: BulkJob.Action, model: type[Any], arguments: Mapping[str, Any]) -> Q:
    """The rows of the model to which the action does anything."""
    match action:
        case Action.RETRY_FAILED | Action.DISCARD_FAILED:
            return Q(sync_status=Status.FAILED)
        case Action.RESEND | Action.MARK_AS_SENT:
            return Q(sync_status=Status.UNCONFIRMED)
        case Action.SYNC_NOW if not issubclass(model, Record):
            return Q(sync_status__in=(Status.PENDING, Status.SENDING, Status.FAILED))
        case Action.SET_SUBSCRIPTION:
            return ~Q(subscription_status=arguments["status"])
        case _:
            return Q()


def act(action: BulkJob.Action, rows: Any, arguments: Mapping[str, Any]) -> int:
    """Do an action that only writes to these rows. Returns how many it changed.

    Raises:
        ValueError: a status that there is not.
    """
    return _ACTIONS[action](rows, arguments)


def _set_subscription(rows: Any, arguments: Mapping[str, Any]) -> int:
    status = Subscription(arguments["status"])
    rows = rows.exclude(subscription_status=status)
    if status != Subscription.UNSUBSCRIBED:
        if not arguments.get("override"):
            rows = rows.exclude(opted_out(rows.db))
        elif (seen := arguments.get("seen")) is not None:
            # Whoever lifted opt-outs did not know of these.
            rows = rows.exclude(opted_out_since(rows.db, seen))
    return int(rows.update(subscription_status=status))


_ACTIONS: Mapping[BulkJob.Action, Callable[[Any, Mapping[str, Any]], int]] = {
    Action.SYNC_NOW: lambda rows, arguments: rows.sync_now(),
    Action.RETRY_FAILED: lambda rows, arguments: rows.retry_failed(),
    Action.SET_SUBSCRIPTION: _set_subscription,
    Action.RESEND: lambda rows, arguments: rows.resend(),
    Action.MARK_AS_SENT: lambda rows, arguments: rows.mark_as_sent(),
    Action.DISCARD_FAILED: lambda rows, arguments: rows.discard_failed(),
}
