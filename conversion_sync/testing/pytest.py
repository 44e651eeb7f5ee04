"""Fixtures for pytest-django. In the ``conftest.py`` of the site:

pytest_plugins = ["conversion_sync.testing.pytest"]
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from conversion_sync.sandbox import Sandbox
from conversion_sync.testing.sandboxes import in_memory, sandbox_settings

__all__ = ["conversion", "conversion_in_memory"]


@pytest.fixture
def conversion(settings: Any) -> Iterator[Sandbox]:
    """A sandbox over HTTP, to which the site sends without holding back."""
    with Sandbox() as box:
        yield _used(settings, box)


@pytest.fixture
def conversion_in_memory(settings: Any) -> Iterator[Sandbox]:
    """A sandbox in memory, to which the site sends without holding back."""
    with in_memory() as box:
        yield _used(settings, box)


def _used(settings: Any, box: Sandbox) -> Sandbox:
    given = getattr(settings, "CONVERSION_SYNC", {})
    settings.CONVERSION_SYNC = {**given, **sandbox_settings(box)}
    return box
