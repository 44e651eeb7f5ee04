"""Fixtures that all the tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django import Settings

from conversion_sync.api import Client
from conversion_sync.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A stand-in of the API over real HTTP, with no limit of its own."""
    with Sandbox() as box:
        yield box


@pytest.fixture
def conversion(settings: Settings, sandbox: Sandbox) -> Sandbox:
    """The sandbox, and a site that is set up to send to it without holding back."""
    settings.CONVERSION_SYNC = {
        "API_KEY": "test-key",
        "BASE_URL": sandbox.base_url,
        "RATE_LIMIT": 10_000,
    }
    return sandbox


@pytest.fixture
def in_flight(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have something happen once while a call is under way, after its work at the remote.

    It happens in the worker's own thread, and so on its connection.
    """

    def arrange(happen: Callable[[], object], method: str = "upsert_contacts") -> None:
        real = getattr(Client, method)

        def call(client: Client, *args: Any, **kwargs: Any) -> Any:
            monkeypatch.setattr(Client, method, real)
            try:
                return real(client, *args, **kwargs)
            finally:
                happen()

        monkeypatch.setattr(Client, method, call)

    return arrange
