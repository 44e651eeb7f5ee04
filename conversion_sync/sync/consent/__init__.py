"""The rules of consent: no opt-out is ever lost or undone."""

from __future__ import annotations

from conversion_sync.sync.consent.guard import blocked, created_by_us, is_created_by_us
from conversion_sync.sync.consent.lost_contacts import held_up, not_found, push_again
from conversion_sync.sync.consent.remote_opt_outs import keep_opt_out, take_remote_opt_out
from conversion_sync.sync.consent.superseding import supersede, supersede_older

__all__ = [
    "blocked",
    "created_by_us",
    "held_up",
    "is_created_by_us",
    "keep_opt_out",
    "not_found",
    "push_again",
    "supersede",
    "supersede_older",
    "take_remote_opt_out",
]
