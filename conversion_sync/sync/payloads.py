"""What a call carries of a row, in our own words."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import ValidationError

from conversion_sync.api import EngagementRecord, StatusChange
from conversion_sync.models import Engagement
from conversion_sync.models.fields.times import instant
from conversion_sync.records.last_sent import payload_of
from conversion_sync.records.mapper import filled
from conversion_sync.records.snapshot import Snapshot

__all__ = ["Payload", "engagement_payload", "size_of"]

#: A `Snapshot`, a `StatusChange`, an `EngagementRecord`; of a deletion, the key.
Payload = Any


def engagement_payload(engagement: Engagement) -> EngagementRecord:
    """What an engagement carries; when it occurred goes into its data.

    Raises:
        ValidationError: the API would refuse it.
    """
    for name in ("name", "description"):
        if not getattr(engagement, name).strip():
            raise ValidationError(f"The {name} is blank.")
    data = filled(engagement.data) | {"occurred_at": instant(engagement.occurred_at).isoformat()}
    return EngagementRecord(
        engagement.contact.wanted_key, engagement.name, engagement.description, data
    )


def size_of(payload: Payload) -> int:
    """About how many bytes of a body it makes, and rather too many.

    Raises:
        ValueError, TypeError: it can't be written as JSON.
    """
    match payload:
        case Snapshot():
            content: Any = payload_of(payload)
        case EngagementRecord(address, name, description, data):
            content = [address, name, description, data]
        case StatusChange(address, status):
            content = [address, status]
        case _:
            content = payload
    return len(json.dumps(content, allow_nan=False))
