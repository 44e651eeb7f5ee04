"""Engagements whose worker never came back."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db.models import F, QuerySet

from conversion_sync import signals
from conversion_sync.api.errors import ErrorCode
from conversion_sync.conf import conf
from conversion_sync.models import Engagement, Status
from conversion_sync.models.clock import DbNow, db_now
from conversion_sync.models.locking import locking
from conversion_sync.models.messages import Message, stored
from conversion_sync.sync.retry import retried
from conversion_sync.sync.states import WORKERS_STOPPED, failed, is_out_of_tries, since
from conversion_sync.sync.transactions import short_transaction

__all__ = ["expire_engagements"]


def expire_engagements(using: str) -> int:
    """An engagement whose worker never came back may have arrived. Returns their number."""
    rows = Engagement.unmarked.using(using).filter(
        sync_status=Status.SENDING, claim__isnull=False, due_at__lte=DbNow()
    )
    return _expire(rows.order_by("pk")) if rows.exists() else 0


@retried
def _expire(rows: QuerySet[Any]) -> int:
    spent: list[int] = []
    with short_transaction(rows.db):
        locked = list(locking(rows.only("pk", "attempts", "failing_since"), skip_locked=True))
        if conf.resend_in_doubt:
            # A lease that ran out is a try like any other: what kills its workers fails in the end.
            spent = [row.pk for row in locked if is_out_of_tries(row, partial(db_now, rows.db))]
        table: QuerySet[Any] = Engagement.unmarked.using(rows.db)
        table.filter(pk__in=spent).update(**failed(ErrorCode.NO_ANSWER, WORKERS_STOPPED))
        table.filter(pk__in={row.pk for row in locked} - {*spent}).update(**_expired())
    if spent:
        signals.row_failed.send_robust(sender=Engagement, pks=spent)
    return len(locked)


def _expired() -> dict[str, Any]:
    """What becomes of an engagement in doubt."""
    error = {
        "last_error_code": ErrorCode.NO_ANSWER,
        "last_error_message": stored(Message.WORKER_STOPPED),
    }
    if conf.resend_in_doubt:
        return error | {
            "sync_status": Status.PENDING,
            "claim": None,
            "attempts": F("attempts") + 1,
            "failing_since": since(),
        }
    return error | {"sync_status": Status.UNCONFIRMED, "due_at": None}
