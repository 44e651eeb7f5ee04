"""The admin that staff live in: a module per model."""

from conversion_sync.admin import (
    company,
    contact,
    deletion,
    engagement,
    jobs,
    operations,
    subscription,
)

__all__ = ["company", "contact", "deletion", "engagement", "jobs", "operations", "subscription"]
