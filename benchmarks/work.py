"""What a worker does while it is looked at; called in a process of its own."""

from __future__ import annotations

import logging

from conversion_sync.sync.worker import push

__all__ = ["drain_all"]


def drain_all() -> int:
    """Drain until nothing is left. Returns the calls that were made."""
    logging.getLogger("conversion_sync").setLevel(logging.ERROR)
    return push().calls
