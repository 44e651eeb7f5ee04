"""Fixtures of the tests that need real servers: none of them skips where a server is missing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conversion_sync.sandbox import Sandbox
from project.processes import stop
from tests.faults.test_rate import database_url

ROOT = Path(__file__).resolve().parents[2]

Start = Callable[..., subprocess.Popen[bytes]]


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.timeout(300))


SECRET_KEY = "for these processes only"


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for something that other processes do."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


@pytest.fixture
def environment(transactional_db: None, conversion: Sandbox) -> dict[str, str]:
    """Of processes that send to the sandbox from the test's own database, by its own queue."""
    kept = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    return kept | {
        "DJANGO_SETTINGS_MODULE": "tests.databases.cluster_settings",
        "IGNORE_DOT_ENV": "1",
        "SECRET_KEY": SECRET_KEY,
        "DEBUG": "0",
        "DATABASE_URL": database_url(),
        "CONVERSION_API_KEY": "test-key",
        "CONVERSION_BASE_URL": conversion.base_url,
        "QUEUE_NAME": f"test-{uuid.uuid4().hex}",
    }


@pytest.fixture
def start_cluster(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Start a q cluster; it ends with the test."""
    running: list[subprocess.Popen[bytes]] = []

    def start(**more: str) -> subprocess.Popen[bytes]:
        log = tmp_path / f"cluster{len(running)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "qcluster"],
                cwd=ROOT,
                env=environment | more,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        running.append(process)
        wait_until(
            lambda: b"running." in log.read_bytes(), 60, f"no cluster: {log.read_text()[-2000:]}"
        )
        return process

    yield start
    for process in running:
        stop(process, 10)
