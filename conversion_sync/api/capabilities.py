"""What a generation of the API can do, where generations differ."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Capabilities"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What there are calls for, and how much one of them takes.

    Args:
        get: reading one contact or company.
        delete: deleting one contact or company.
        subscription_call: a call for subscription statuses alone.
        idempotent_events: an engagement that is sent again is no second one.
        rename: an upsert can give a contact another email.
        records_per_call: of contacts, companies or statuses, at most.
        events_per_call: of engagements, at most.
    """

    get: bool
    delete: bool
    subscription_call: bool
    idempotent_events: bool
    rename: bool
    records_per_call: int
    events_per_call: int
