"""The Redis broker: it delivers; and where it is gone, a save is fast and the sweep delivers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import redis

from conversion_sync.models import Contact, Status
from conversion_sync.queues.django_q import run_drain
from conversion_sync.sandbox import Sandbox
from tests.databases.conftest import ROOT, wait_until

pytestmark = [pytest.mark.databases, pytest.mark.django_db(transaction=True)]

REDIS_URL = os.environ.get("TEST_REDIS_URL") or "redis://127.0.0.1:6379/0"


def synced() -> int:
    return int(Contact.objects.filter(sync_status=Status.SYNCED).count())


@pytest.fixture
def broker(environment: dict[str, str]) -> Iterator[str]:
    """The address of a Redis that answers; the test's own queue is emptied."""
    with redis.Redis.from_url(REDIS_URL, socket_timeout=2) as client:
        client.ping()
        yield REDIS_URL
        client.delete(f"django_q:{environment['QUEUE_NAME']}:q")


@pytest.fixture
def save(environment: dict[str, str]) -> Callable[[str, int], float]:
    """Save contacts in another process, with this broker; the longest save, in seconds."""

    def run(broker: str, count: int) -> float:
        done = subprocess.run(
            [sys.executable, "-m", "tests.databases.saver", str(count)],
            cwd=ROOT,
            env=environment | {"REDIS_URL": broker},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return float(done.stdout)

    return run


def without_sweep() -> None:
    from django_q.models import Schedule

    Schedule.objects.all().delete()


def test_what_is_saved_is_sent_by_a_cluster_on_redis(
    conversion: Sandbox, broker, save, start_cluster
):
    without_sweep()
    start_cluster(REDIS_URL=broker, SWEEP="cron")
    save(broker, 50)
    wait_until(lambda: synced() == 50, 30, "it was not sent")
    assert len(conversion.contacts) == 50


def test_what_was_saved_while_no_cluster_ran_is_sent_when_one_starts(
    conversion: Sandbox, broker, save, start_cluster
):
    without_sweep()
    save(broker, 3)
    assert (synced(), conversion.calls) == (0, [])
    start_cluster(REDIS_URL=broker, SWEEP="cron")
    wait_until(lambda: synced() == 3, 30, "it was not sent")


@pytest.fixture
def hanging() -> Iterator[str]:
    """A server that takes connections, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


@pytest.mark.parametrize("how", ["refused", "hanging"])
def test_with_a_dead_broker_a_save_is_fast_and_the_sweep_sends(
    conversion: Sandbox, save, hanging, how
):
    longest = save("redis://127.0.0.1:1/0" if how == "refused" else hanging, 5)
    assert longest < 1.5
    assert (Contact.objects.waiting().count(), conversion.calls) == (5, [])
    run_drain()
    assert synced() == len(conversion.contacts) == 5
