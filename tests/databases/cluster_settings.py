"""The settings of the clusters of these tests: leases of seconds, and a queue of their own."""

import os

from project.settings import *  # noqa: F403  # all of it
from project.settings import CONVERSION_SYNC as GIVEN
from project.settings import DATABASES
from project.settings import Q_CLUSTER as CLUSTER

CONVERSION_SYNC = GIVEN | {
    "LEASE": 6,
    "CALL_DEADLINE": 3,
    "DRAIN_SECONDS": 4,
    "RATE_LIMIT": 200,
    "BATCH_SIZE": 20,
    "BACKOFF": float(os.environ.get("BACKOFF", 30)),
    "SWEEP": os.environ.get("SWEEP", "queue"),
}
Q_CLUSTER = CLUSTER | {"name": os.environ["QUEUE_NAME"], "timeout": 20, "retry": 120, "poll": 0.1}
if os.environ.get("POOL"):
    DATABASES["default"] |= {"OPTIONS": {"pool": {"min_size": 2, "max_size": 8}}, "CONN_MAX_AGE": 0}
# E008, W012: the lease is short on purpose.
SILENCED_SYSTEM_CHECKS = ["conversion_sync.E008", "conversion_sync.W012"]
