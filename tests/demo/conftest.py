"""A demo in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo.kit import Demo, write_samples


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.demo)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    # Names that a shell and a URL take for something else.
    demo = Demo(tmp_path / "it's a #1 + 100% demo", write_samples(tmp_path / "samples"))
    yield demo
    demo.kill_all()
