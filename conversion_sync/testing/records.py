"""What was called, and what was said of somebody's consent."""

from __future__ import annotations

from typing import Any

from conversion_sync.models import SubscriptionChange
from conversion_sync.models.database import database
from conversion_sync.sandbox import Sandbox

__all__ = ["consent_log", "sent"]


def sent(box: Sandbox, path: str = "/contacts/batch", method: str = "POST") -> list[Any]:
    """The bodies of the calls of one endpoint, oldest first."""
    return [call.body for call in box.calls if (call.method, call.path) == (method, path)]


def consent_log(address: str, *, using: str | None = None) -> list[tuple[str, str]]:
    """The consent log of an address, oldest first: what was asked for, and where it stands.

    Args:
        using: the alias of the database (default: as the routers have it).
    """
    rows = (
        SubscriptionChange.objects.using(using or database()).filter(address=address).order_by("pk")
    )
    return list(rows.values_list("status", "sync_status"))
