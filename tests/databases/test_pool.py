"""psycopg's pool of connections, in processes that fork."""

from __future__ import annotations

import subprocess
import sys

import pytest
from django.db import connection

from conversion_sync.models import Contact, Status
from conversion_sync.sandbox import Sandbox
from tests.databases.conftest import ROOT, Start, wait_until
from tests.databases.test_clusters import ask_for_a_drain

pytestmark = [
    pytest.mark.databases,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="Only psycopg has a pool."),
]

FORK = """
import os, django
django.setup()
from django.db import connection

def session():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]

parents = {session()}
if pid := os.fork():
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    # Its connections were left alone.
    assert session() in parents
    connection.close()
    print("done", flush=True)
else:
    try:
        first = session()
        connection.close()
        assert not {first, session()} & {*parents}
        os._exit(0)
    finally:
        os._exit(1)
"""


def test_a_process_that_was_forked_has_sessions_of_its_own(environment: dict[str, str]):
    done = subprocess.run(
        [sys.executable, "-c", FORK],
        cwd=ROOT,
        env=environment | {"POOL": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "done\n", done.stderr


def test_a_cluster_sends_what_is_saved(conversion: Sandbox, start_cluster: Start, tmp_path):
    start_cluster(POOL="1", QUEUE_NAME="shared")

    def all_sent() -> bool:
        ask_for_a_drain()
        return not Contact.objects.exclude(sync_status=Status.SYNCED).exists()

    for number in range(5):
        Contact.objects.create(email=f"p{number}@x.example")
        wait_until(all_sent, 60, "it was not sent")
    log = (tmp_path / "cluster0.log").read_text()
    assert "Traceback" not in log, log
