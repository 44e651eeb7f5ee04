"""Settling: what came of rows is written, by whom holds them."""

from __future__ import annotations

from conversion_sync.sync.settle.expiry import expire_engagements
from conversion_sync.sync.settle.settling import settle

__all__ = ["expire_engagements", "settle"]
