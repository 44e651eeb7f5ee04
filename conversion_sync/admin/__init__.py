"""The admin that staff live in: a module per model."""

from conversion_sync.admin import (
    call,
    company,
    contact,
    deletion,
    engagement,
    gate,
    job,
    mirror,
    subscription,
    worker,
)

__all__ = [
    "call",
    "company",
    "contact",
    "deletion",
    "engagement",
    "gate",
    "job",
    "mirror",
    "subscription",
    "worker",
]
