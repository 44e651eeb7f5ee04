"""The mirrors of the tests: declared where they are used, and gone after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from conversion_sync.mirrors.beginnings import begin
from conversion_sync.mirrors.registry import registry
from tests.mirrors.kit import declared

Declare = Callable[..., Any]


@pytest.fixture
def mirror(db: None) -> Iterator[Declare]:
    """Declare mirrors, in place of the site's own: ``mirror("contact", Customer, cls)``."""
    found = []
    with ExitStack() as stack:

        def declare(kind: str, model: Any, cls: Any) -> Any:
            one = declared(kind, model, cls)
            found.append(one)
            stack.enter_context(registry.only(*found))
            begin("default")
            return one

        yield declare
