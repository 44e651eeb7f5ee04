"""Fixtures of the tests of claiming and settling."""

from __future__ import annotations

import pytest

from conversion_sync import signals


@pytest.fixture
def heard():
    """What was heard of rows that arrived or failed."""
    found: list[tuple[str, list[int]]] = []

    def synced(pks, **kwargs):
        found.append(("synced", pks))

    def failed(pks, **kwargs):
        found.append(("failed", pks))

    signals.row_synced.connect(synced)
    signals.row_failed.connect(failed)
    yield found
    signals.row_synced.disconnect(synced)
    signals.row_failed.disconnect(failed)
