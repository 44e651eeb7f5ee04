"""The log of calls: who was called, when, and how it ended; no bodies."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Sequence

from django.db import DatabaseError, InterfaceError

from conversion_sync.api import CallRecord
from conversion_sync.models import ApiCall
from conversion_sync.sync.states import vendor_text
from conversion_sync.sync.transactions import short_transaction

__all__ = ["log_calls"]

logger = logging.getLogger(__name__)


def log_calls(using: str, records: Sequence[CallRecord | None]) -> list[int | None]:
    """Write lines of the call log. A log that fails costs nothing but its lines."""
    lines = [
        ApiCall(
            endpoint=record.endpoint,
            rows=record.rows,
            started_at=datetime.datetime.fromtimestamp(record.started_at, datetime.UTC),
            duration_ms=round(record.duration * 1000),
            http_status=record.status,
            error_code=vendor_text(record.error_code),
            error_message=vendor_text(record.error_message),
        )
        for record in records
        if record is not None
    ]
    try:
        with short_transaction(using):
            written = iter(ApiCall.objects.using(using).bulk_create(lines))
    except (DatabaseError, InterfaceError):
        logger.warning("The call log could not be written.", exc_info=True)
        return [None] * len(records)
    return [None if record is None else next(written).pk for record in records]
