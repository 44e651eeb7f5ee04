"""The rows, and what each can say of itself."""

from conversion_sync.models.api_call import ApiCall
from conversion_sync.models.api_gate import ApiGate
from conversion_sync.models.attribution import attributed
from conversion_sync.models.bulk_job import BulkJob
from conversion_sync.models.channel_state import ChannelState
from conversion_sync.models.column_mapping import ColumnMapping
from conversion_sync.models.company import Company
from conversion_sync.models.contact import Contact
from conversion_sync.models.deletion import Deletion
from conversion_sync.models.engagement import Engagement, ImmutableEngagement
from conversion_sync.models.heartbeat import Heartbeat
from conversion_sync.models.mirror_link import MirrorLink
from conversion_sync.models.mirror_mark import MirrorMark
from conversion_sync.models.mirror_state import MirrorState
from conversion_sync.models.querysets import SyncedQuerySet
from conversion_sync.models.record import Record
from conversion_sync.models.state import Status
from conversion_sync.models.subscription import Subscription
from conversion_sync.models.subscription_change import SubscriptionChange
from conversion_sync.models.synced import SyncedModel
from conversion_sync.models.upgrade import Upgrade
from conversion_sync.models.wakeup import Wakeup

__all__ = [
    "ApiCall",
    "ApiGate",
    "BulkJob",
    "ChannelState",
    "ColumnMapping",
    "Company",
    "Contact",
    "Deletion",
    "Engagement",
    "Heartbeat",
    "ImmutableEngagement",
    "MirrorLink",
    "MirrorMark",
    "MirrorState",
    "Record",
    "Status",
    "Subscription",
    "SubscriptionChange",
    "SyncedModel",
    "SyncedQuerySet",
    "Upgrade",
    "Wakeup",
    "attributed",
]
