"""The rate: never more calls in any second than are allowed, however many processes send."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection

from conversion_sync.models import Company, Contact, Engagement
from conversion_sync.sandbox import Sandbox
from tests.faults.conftest import API_KEY
from tests.faults.kit import LONG, MARKS, later, say, until_idle

pytestmark = MARKS

ROOT = Path(__file__).resolve().parents[2]

PROCESSES, SECONDS, RATE = 8, 12.0, 10


def database_url() -> str:
    """Where the test's own database is, for other processes."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{settings['NAME']}"
    scheme = {"postgresql": "postgres", "mysql": "mysql"}[connection.vendor]
    user, password = quote(settings["USER"]), quote(settings["PASSWORD"])
    place = f"{settings['HOST'] or '127.0.0.1'}{f':{port}' if (port := settings['PORT']) else ''}"
    return f"{scheme}://{user}{f':{password}' if password else ''}@{place}/{settings['NAME']}"


def send(box: Sandbox, how: str, batch_size: int) -> tuple[list[int], list[float]]:
    """Have eight processes send at once.

    Returns:
        How many calls each of them made; and when the first byte of each of them all was sent.
    """
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "IGNORE_DOT_ENV": "1",
        "SECRET_KEY": "for these processes only",
        "DEBUG": "0",
        "DATABASE_URL": database_url(),
        "CONVERSION_API_KEY": API_KEY,
        "CONVERSION_BASE_URL": box.base_url,
        "CONVERSION_RATE_LIMIT": str(RATE),
        "CONVERSION_BATCH_SIZE": str(batch_size),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.faults.sender", how, str(SECONDS)],
            cwd=ROOT,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(PROCESSES)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        box.app.traffic.reset()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        outputs = [process.communicate(timeout=SECONDS + 30)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    shares, begun = zip(*map(json.loads, outputs), strict=True)
    return list(shares), sorted(itertools.chain(*begun))


def worst_second(moments: Sequence[float]) -> int:
    """How many lie within a second, where most do; ascending."""
    return max(bisect_left(moments, each + 1.0) - n for n, each in enumerate(moments))


def companies() -> None:
    Company.objects.bulk_create(Company(external_id=f"c{n}") for n in range(300))


def engagements() -> None:
    contact = Contact.objects.create(email="ada@x.example")
    until_idle()
    later(10)
    Engagement.objects.bulk_create(
        Engagement(contact=contact, name=f"Call {n}", description="Yes.") for n in range(300)
    )


def nothing() -> None:
    """Slots need no rows."""


WORK = [
    pytest.param("drains", companies, 1, id="a call a claim"),
    pytest.param("drains", engagements, 1, id="four calls at once"),
    pytest.param("takes", nothing, 1, id="slots alone"),
]


@pytest.mark.parametrize(("how", "prepare", "batch_size"), WORK if LONG else WORK[:1])
def test_eight_processes_share_the_rate_and_never_pass_it(
    how: str, prepare: Callable[[], Any], batch_size: int, box: Sandbox
):
    prepare()
    # The server counts, too, and would answer 429. On a busy machine some calls arrive later than
    # they were sent, and so nearer to others: that is the machine's, and printed below.
    box.app.limit.rate = RATE + 2
    time.sleep(1)
    box.app.limit.clear()

    shares, begun = send(box, how, batch_size)

    times = [call.time for call in box.calls]
    statuses = Counter(call.status for call in box.calls)
    gaps = sorted(b - a for a, b in zip(times, times[RATE:], strict=False))
    say(
        f"{PROCESSES} processes, {SECONDS:g} s, {connection.vendor}: {len(times)} calls"
        f" ({len(times) / SECONDS:.1f} a second), {worst_second(begun)} begun in the worst second,"
        f" {box.worst_second} arrived"
        f" ({RATE + 1} calls took {gaps[0]:.3f} s at least), shares {sorted(shares)}"
    )
    assert worst_second(begun) <= RATE
    assert len(begun) == len(times)
    assert 429 not in statuses
    assert sum(shares) == len(times)
    # None waits for another in vain; how fast they are is measured in benchmarks/.
    assert len(times) >= 0.5 * SECONDS * RATE
    mean = len(times) / PROCESSES
    assert min(shares) >= mean / 2
    assert max(shares) <= mean * 2
