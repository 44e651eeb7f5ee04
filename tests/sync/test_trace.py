"""One contact from its save to the socket and back: what it costs on the way."""

from __future__ import annotations

import http.client
import sys
import traceback
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

import conversion_sync
from conversion_sync.sync import loop
from conversion_sync.sync.drain import drain
from conversion_sync.sync.kinds import base
from tests.kit import contact

pytestmark = pytest.mark.django_db

PACKAGE = str(Path(conversion_sync.__file__).parent)

#: What a transaction, or a savepoint in a test's own, adds.
FRAMING = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT", "SET TRANSACTION")

#: Seconds: more than any test takes.
LONG = 600.0


@pytest.fixture
def _on_an_idle_machine(monkeypatch):
    """A slot is not taken anew, and no look is repeated, because this machine is busy."""
    monkeypatch.setattr(loop, "LATE", LONG)
    monkeypatch.setattr(base, "STALE", LONG)


@pytest.mark.usefixtures("_on_an_idle_machine")
def test_a_contact_alone_costs_a_drain_few_statements(conversion):
    contact("first@x.example")
    drain()
    contact("ann@x.example", first_name="Ann")
    with CaptureQueriesContext(connection) as queries:
        drain()
    assert conversion.contacts["ann@x.example"]["variables"] == {"first_name": "Ann"}
    statements = [q["sql"] for q in queries if not q["sql"].startswith(FRAMING)]
    assert len(statements) <= 20, "\n".join(each[:150] for each in statements)


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
