"""One contact from its save to the socket and back: what it costs on the way."""

from __future__ import annotations

import http.client
import itertools
import os
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

import conversion_sync
from conversion_sync.models import Contact
from conversion_sync.sync import remote
from conversion_sync.sync.drain import drain
from conversion_sync.sync.gate import gate
from conversion_sync.sync.kinds import base
from conversion_sync.sync.loop import call
from tests.kit import contact

pytestmark = pytest.mark.django_db

PACKAGE = str(Path(conversion_sync.__file__).parent)

#: What a transaction, or a savepoint in a test's own, adds.
FRAMING = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT", "SET TRANSACTION")

#: Files of each room that a contact passes, with some to spare for what a database may add.
MOST_FILES = Counter(sync=48, models=37, api=24, records=6, conf=1)

NOT_PASSED = (f"sandbox{os.sep}", "calls_in_tests.py", "test_runner.py")

#: Seconds: more than any test takes.
LONG = 600.0


@pytest.fixture
def _on_an_idle_machine(monkeypatch):
    """Nothing is done once more because this machine is busy: no slot, no look, no report."""
    monkeypatch.setattr(call, "TOO_LATE", LONG)
    monkeypatch.setattr(base, "STALE", LONG)
    monkeypatch.setattr(gate, "SUCCESS_STANDS", LONG)


def made(queries: CaptureQueriesContext) -> list[str]:
    """The statements; one that was made again and again while something was waited for, once."""
    texts = [q["sql"] for q in queries if not q["sql"].startswith(FRAMING)]
    return [text for text, _ in itertools.groupby(texts)]


@pytest.mark.usefixtures("_on_an_idle_machine")
def test_a_contact_alone_costs_a_drain_few_statements(conversion):
    contact("first@x.example")
    drain()
    contact("ann@x.example", first_name="Ann")
    with CaptureQueriesContext(connection) as queries:
        drain()
    assert conversion.contacts["ann@x.example"]["variables"] == {"first_name": "Ann"}
    statements = made(queries)
    assert len(statements) <= 20, "\n".join(each[:150] for each in statements)


@pytest.mark.usefixtures("_on_an_idle_machine")
def test_a_full_batch_costs_few_statements_from_its_claim_to_its_log(conversion, settings):
    """But for what batches share: whose turn it is, the slots, and the look at the lease."""
    # One after the other, so that what lies between two claims is of one batch.
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "CONCURRENCY": 1}
    contact("first@x.example")
    drain()
    Contact.objects.bulk_create([Contact(email=f"c{n}@x.example") for n in range(600)])
    with CaptureQueriesContext(connection) as queries:
        assert drain().calls == 3
    statements = made(queries)
    claims = [
        n for n, sql in enumerate(statements) if sql.startswith("UPDATE") and "SENDING" in sql
    ]
    assert len(claims) == 3
    # From the lock of the second claim, two before its stamping, to that of the third.
    second = statements[claims[1] - 2 : claims[2] - 2]
    shared = ("next_slot_at", "EXISTS", "is_ours")
    own = [
        sql
        for sql in second
        if not any(word in sql[:400] for word in shared)
        # What time it is, for a slot.
        and (" FROM " in sql or not sql.startswith("SELECT"))
    ]
    assert len(own) <= 8, "\n".join(each[:150] for each in own)


def test_from_the_loop_to_the_socket_it_is_not_far(conversion, monkeypatch):
    """Frames of this package, in the threads between the drain's and the socket."""
    seen: list[list[str]] = []
    real = http.client.HTTPConnection.send

    def send(self, data):
        codes = [frame.f_code for frame, _ in traceback.walk_stack(sys._getframe(1))]
        ours = [code for code in codes if code.co_filename.startswith(PACKAGE)]
        names = [f"{Path(code.co_filename).stem}.{code.co_name}" for code in ours]
        seen.append(names)
        return real(self, data)

    monkeypatch.setattr(http.client.HTTPConnection, "send", send)
    contact()
    drain()
    ours = [names for names in seen if names]
    assert ours
    assert max(map(len, ours)) <= 8, ours


@contextmanager
def passed() -> Iterator[set[str]]:
    """The files of this app in which something is called, here and in threads begun meanwhile."""
    files = set[str]()

    def note(frame, event, _):
        name = frame.f_code.co_filename
        if event == "call" and name.startswith(PACKAGE):
            files.add(name.removeprefix(PACKAGE + os.sep))

    before = sys.getprofile()
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield files
    finally:
        sys.setprofile(before)
        threading.setprofile(None)
        # What stands in for Conversion, or holds calls, is of no site.
        files -= {name for name in files if name.startswith(NOT_PASSED)}


@pytest.mark.usefixtures("_on_an_idle_machine")
def test_from_its_save_to_its_settling_a_contact_passes_so_many_files(conversion, monkeypatch):
    """A module holds one noun, so they are many; a new one among them is worth a second look."""
    contact("first@x.example")
    drain()
    # Of a new client all is done in new threads, from the look-up of the host on.
    monkeypatch.setattr(remote, "_clients", {})
    with passed() as files:
        contact("ann@x.example", first_name="Ann")
        drain()
    by_room = Counter(name.split(os.sep)[0].removesuffix(".py") for name in files)
    assert by_room <= MOST_FILES, f"{by_room}: {sorted(files)}"
