"""Claims: who holds which rows, for how long, and what will be sent of them."""

from __future__ import annotations

from conversion_sync.sync.claim.building import LARGEST
from conversion_sync.sync.claim.claim import Claim, held, renew, write
from conversion_sync.sync.claim.claiming import claim_rows

__all__ = ["LARGEST", "Claim", "claim_rows", "held", "renew", "write"]
