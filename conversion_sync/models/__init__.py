"""The rows, and what each can say of itself."""

from conversion_sync.models.base import (
    Record,
    Status,
    SyncedModel,
    SyncedQuerySet,
    attributed,
)
from conversion_sync.models.company import Company
from conversion_sync.models.contact import Contact
from conversion_sync.models.deletion import Deletion
from conversion_sync.models.engagement import Engagement, ImmutableEngagement
from conversion_sync.models.operations import ApiCall, ApiGate, BulkJob, Heartbeat, Wakeup
from conversion_sync.models.subscription import Subscription, SubscriptionChange

__all__ = [
    "ApiCall",
    "ApiGate",
    "BulkJob",
    "Company",
    "Contact",
    "Deletion",
    "Engagement",
    "Heartbeat",
    "ImmutableEngagement",
    "Record",
    "Status",
    "Subscription",
    "SubscriptionChange",
    "SyncedModel",
    "SyncedQuerySet",
    "Wakeup",
    "attributed",
]
