"""What this generation is called, where it is, and what it can do."""

from __future__ import annotations

from conversion_sync.api.capabilities import Capabilities

__all__ = [
    "BASE_URL",
    "CAPABILITIES",
    "COMPANY_NAME",
    "KEY_HEADER",
    "NAME",
    "SUBSCRIPTION_STATUSES",
]

NAME = "v1"

BASE_URL = "https://pub-api.conversion.ai/api/v1"

#: The header that carries the API key, and what stands before the key in it (documented).
KEY_HEADER = ("Authorization", "Bearer ")

#: The variable of a contact that is its company's.
COMPANY_NAME = "company_name"

SUBSCRIPTION_STATUSES = ("SUBSCRIBED", "UNSUBSCRIBED", "PENDING")

#: The sizes are not documented: they are those of a later page of the same vendor.
CAPABILITIES = Capabilities(
    get=True,
    delete=True,
    subscription_call=True,
    idempotent_events=False,
    rename=False,
    records_per_call=200,
    events_per_call=1,
)
