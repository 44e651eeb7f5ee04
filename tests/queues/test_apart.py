"""Queueing in a thread of its own: what becomes of it where the process ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from tests.kit import PROMPT

SLOW = """
import sys, time
import django
django.setup()
from pathlib import Path
from conversion_sync.queues import apart

def queue():
    time.sleep(float(sys.argv[1]))
    Path(sys.argv[2]).touch()

apart.BROKER_TIMEOUT = 0.01
apart.apart(queue)
"""


def ended(path, seconds: float) -> float:
    """Run a process that ends while its task is still on its way. Returns how long it took."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    began = time.monotonic()
    line = [sys.executable, "-c", SLOW, str(seconds), str(path)]
    subprocess.run(line, env=environment, check=True, timeout=60)
    return time.monotonic() - began


def test_a_process_that_ends_still_queues_its_task(tmp_path):
    ended(tmp_path / "queued", 0.5)
    assert (tmp_path / "queued").exists()


def test_but_it_does_not_wait_for_a_broker_that_hangs(tmp_path):
    assert ended(tmp_path / "queued", 600) < PROMPT
    assert not (tmp_path / "queued").exists()
