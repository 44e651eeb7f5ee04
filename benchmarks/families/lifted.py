"""How many contacts a drain sends in a second with the limit lifted: over a bare loop, and over
the usual way.

A bare loop posts the same payloads to the same server, one batch after the other, and does nothing
else. The usual way is a task of django-q2 for each save, with the cluster's settings as they come,
and in it a call for one row.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests
from django.db import connection
from django_q.models import OrmQ
from django_q.tasks import async_task

from benchmarks import rows
from benchmarks.figure import Figure
from benchmarks.process import BASE_DIR
from benchmarks.server import StandIn, sending
from benchmarks.sizes import Sizes
from benchmarks.work import drain_all

BATCH = 200
PATIENCE = 120.0

#: As django-q2's settings come; one worker where there can be one writer.
CLUSTER = {"name": "conversion_sync", "orm": "default", "timeout": 60, "retry": 120}


def times(sizes: Sizes) -> Iterator[Figure]:
    """Send the rows both ways, in turns, and then some the usual way."""
    drained, bare = [], []
    with StandIn() as server, sending(server.url):
        for _ in range(sizes.rounds):
            rows.due_contacts(sizes.contacts)
            drained.append(sizes.contacts / _seconds(drain_all))
            _see_that_all_arrived()
            bare.append(sizes.contacts / _seconds(lambda: _post_all(server.url, sizes.contacts)))
    rate = max(drained)
    name = f"{sizes.contacts:,} contacts, limit lifted"
    yield Figure(name, rate, "rows/s", "the ceiling: 2,000 rows/s", 6000, at_least=True)
    yield Figure(
        f"{name}: a bare loop is faster by",
        max(bare) / rate,
        "times",
        f"{max(bare):,.0f} rows/s",
        20,
    )
    usual = _the_usual_way(sizes.tasks)
    yield Figure(
        f"{name}: over the usual way, {sizes.tasks:,} tasks",
        rate / usual,
        "times",
        f"{usual:,.0f} rows/s",
        50,
        at_least=True,
    )


def _see_that_all_arrived() -> None:
    from conversion_sync.models import Contact

    if Contact.unmarked.exclude(sync_status="SYNCED").exists():
        raise RuntimeError("Some contacts did not arrive.")


def _post_all(url: str, count: int) -> None:
    """Post what the drain posts, and read the answers."""
    session = requests.Session()
    for start in range(0, count, BATCH):
        items = [
            {"email": f"c{number}@x.example", "variables": rows.values(number)}
            for number in range(start + 1, min(count, start + BATCH) + 1)
        ]
        answer = session.post(
            f"{url}/contacts/batch",
            json={"contacts": items},
            headers={"Authorization": "Bearer k"},
            timeout=20,
        )
        answer.raise_for_status()
        answer.json()


def _seconds(act: Callable[[], Any]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _the_usual_way(count: int) -> float:
    """Rows a second, from the first call's arrival to the last; saves and start-up come on top."""
    rows.arrived_contacts(count)
    with StandIn() as server, sending(server.url, ENABLED=False):
        for number in range(1, count + 1):
            async_task("benchmarks.families.lifted.push", server.url, number)
        with _cluster():
            until = time.monotonic() + PATIENCE
            report = server.report()
            while report.rows < count:
                if time.monotonic() > until:
                    raise RuntimeError("The tasks did not end.")
                time.sleep(0.2)
                report.calls += server.report().calls
    return report.rows_a_second


@contextmanager
def _cluster() -> Iterator[None]:
    cluster = CLUSTER | {"workers": 1 if connection.vendor == "sqlite" else 2}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "qcluster"],
        cwd=BASE_DIR,
        env=os.environ | {"BENCHMARK_CLUSTER": json.dumps(cluster)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)
        OrmQ.objects.all().delete()


def push(url: str, pk: int) -> None:
    """The task: read a row, send it, and note that it was sent."""
    from django.utils import timezone

    from conversion_sync.models import Contact

    names = ("email", "first_name", "last_name", "title")
    row: dict[str, Any] = {**Contact.unmarked.values(*names).get(pk=pk)}
    answer = requests.post(
        f"{url}/contacts/batch",
        json={"contacts": [{"email": row.pop("email"), "variables": row}]},
        headers={"Authorization": "Bearer k"},
        timeout=20,
    )
    remote_id = answer.json()["data"][0]["contactId"]
    Contact.unmarked.filter(pk=pk).update(remote_id=remote_id, last_synced_at=timezone.now())
