"""Fixtures of the tests that cut, delay and break."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django import Settings

from conversion_sync.sandbox import Sandbox
from conversion_sync.sandbox.endpoints import Endpoints
from conversion_sync.sync.gate import Gate
from conversion_sync.testing import sandbox_settings
from tests.faults.kit import LONG, Listener, figures

API_KEY = "sk_live_very_secret"

Configure = Callable[..., None]

#: Seconds after which a test has hung.
LIMIT = 7200 if LONG else 1800


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.timeout(LIMIT))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the figures that were measured."""
    if figures:
        terminalreporter.section("figures")
        for line in figures:
            terminalreporter.line(line)
        figures.clear()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def configure(settings: Settings) -> Configure:
    """Change some settings of the app, and keep the others."""

    def change(**changes: Any) -> None:
        settings.CONVERSION_SYNC = {**getattr(settings, "CONVERSION_SYNC", {}), **changes}

    return change


@pytest.fixture(scope="session")
def server() -> Iterator[Sandbox]:
    """One for all tests: to stop one takes longer than most of them."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def box(transactional_db: None, server: Sandbox, configure: Configure) -> Sandbox:
    """The sandbox, and a site that sends to it as fast as it can, when a test drains."""
    app = server.app
    server.reset()
    app.endpoints, app.keys, app.limit.rate = Endpoints(app.store), frozenset(), 0
    configure(**{**sandbox_settings(server), "API_KEY": API_KEY, "QUEUE": "none"})
    return server


@pytest.fixture
def gate(box: Sandbox) -> Gate:
    return Gate()


@pytest.fixture
def elsewhere() -> Iterator[Listener]:
    """Another host, that must never hear of us."""
    listener = Listener()
    yield listener
    listener.close()
