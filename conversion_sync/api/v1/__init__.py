"""The seed's generation of the API: our own words into requests, its answers into results.

Nothing else knows its words, but for its envelope (`conversion_sync.api.envelope`). Shapes that the
vendor documents are marked *documented*; the others are *inferred* from them. Answers are read
leniently: unknown keys are ignored, a missing optional key is no error, and only what matches an
item of the request is believed.
"""

from __future__ import annotations

from conversion_sync.api.envelope import read_envelope
from conversion_sync.api.v1.answers import parse_company, parse_contact, parse_engagement
from conversion_sync.api.v1.items import (
    company_item,
    contact_item,
    engagement_body,
    read_company_item,
    read_contact_item,
    subscription_item,
)
from conversion_sync.api.v1.requests import (
    delete_company,
    delete_contact,
    get_company,
    get_contact,
    set_subscriptions,
    track_engagement,
    upsert_companies,
    upsert_contacts,
)
from conversion_sync.api.v1.words import (
    BASE_URL,
    CAPABILITIES,
    KEY_HEADER,
    NAME,
    SUBSCRIPTION_STATUSES,
)

__all__ = [
    "BASE_URL",
    "CAPABILITIES",
    "KEY_HEADER",
    "NAME",
    "SUBSCRIPTION_STATUSES",
    "company_item",
    "contact_item",
    "delete_company",
    "delete_contact",
    "engagement_body",
    "get_company",
    "get_contact",
    "parse_company",
    "parse_contact",
    "parse_engagement",
    "read_company_item",
    "read_contact_item",
    "read_envelope",
    "set_subscriptions",
    "subscription_item",
    "track_engagement",
    "upsert_companies",
    "upsert_contacts",
]
