"""Whether this process runs the tests of a site, and whether those let calls be made."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

__all__ = ["are_calls_allowed", "calls_allowed", "is_under_test"]


def is_under_test() -> bool:
    """Whether a test runner has set up its environment in this process.

    Django's runner and pytest-django do so by ``setup_test_environment``, which keeps there what it
    has to put back. What a test starts, such as a worker, is a process of its own.
    """
    state = getattr(sys.modules.get("django.test.utils"), "_TestState", None)
    return hasattr(state, "saved_data")


_allowed: list[object] = []


@contextlib.contextmanager
def calls_allowed() -> Iterator[None]:
    """Let calls be made under a test runner, wherever the settings say: who asks, answers them."""
    token = object()
    _allowed.append(token)
    try:
        yield
    finally:
        _allowed.remove(token)


def are_calls_allowed() -> bool:
    """Whether a block that allows calls is open in this process, in whatever thread."""
    return bool(_allowed)
