"""The site's settings for processes that are killed: leases and drains of seconds."""

from project.settings import *  # noqa: F403  # all of it
from project.settings import CONVERSION_SYNC as GIVEN
from project.settings import Q_CLUSTER as CLUSTER

#: Seconds for which a killed worker's rows stay with it.
LEASE = 4

CONVERSION_SYNC = GIVEN | {
    "LEASE": LEASE,
    "CALL_DEADLINE": 2,
    "DRAIN_SECONDS": 3,
    "BACKOFF": 0.3,
    "BACKOFF_MAX": 2,
    "RATE_LIMIT": 500,
    "BATCH_SIZE": 25,
}
Q_CLUSTER = CLUSTER | {"timeout": 20, "retry": 90, "poll": 0.1}
# E008: the lease is short on purpose.
SILENCED_SYSTEM_CHECKS = ["conversion_sync.E008", "conversion_sync.W012"]
