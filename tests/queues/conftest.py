"""Queues without what others have put there, and brokers that are down."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from django_q.models import OrmQ

from tests.kit import PROMPT


@pytest.fixture(autouse=True)
def nothing_is_queued(request: pytest.FixtureRequest) -> None:
    """Drains may have been queued by connections of their own: no rollback takes these back."""
    marker = request.node.get_closest_marker("django_db")
    if marker is not None and marker.kwargs.get("transaction"):
        request.getfixturevalue("transactional_db")
        OrmQ.objects.all().delete()


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that takes connections and never says a word."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        taken: list[socket.socket] = []

        def serve() -> None:
            while not done.is_set():
                try:
                    taken.append(server.accept()[0])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        done.set()
        thread.join(PROMPT)
        for connection in taken:
            connection.close()
