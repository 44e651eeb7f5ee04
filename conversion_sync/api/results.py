"""What the API says in a success, in our own words."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from conversion_sync.api.errors import ItemError

__all__ = ["BatchResult", "EngagementResult", "ItemResult", "RemoteCompany", "RemoteContact"]


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What came of one item. ``key`` is the caller's; ``error`` is None where it was taken."""

    key: str
    remote_id: str | None = None
    operation: str | None = None
    error: ItemError | None = None


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What came of a batch, by the caller's key. An item the API did not answer is missing."""

    items: dict[str, ItemResult] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RemoteContact:
    """A contact as the API knows it (documented)."""

    id: str | None
    email: str
    variables: dict[str, Any]
    subscription_status: str | None
    created_at: datetime | None
    external_contact: Any = None


@dataclass(frozen=True, slots=True)
class RemoteCompany:
    """A company as the API knows it (inferred). ``id`` is ours, ``remote_id`` the vendor's."""

    id: str
    remote_id: str | None
    base_domain: str | None
    variables: dict[str, Any]


@dataclass(frozen=True, slots=True)
class EngagementResult:
    """An engagement was taken; the API may or may not name it (inferred)."""

    remote_id: str | None = None
