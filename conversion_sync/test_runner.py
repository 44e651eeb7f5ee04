"""Whether this process runs the tests of a site."""

from __future__ import annotations

import sys

__all__ = ["is_under_test"]


def is_under_test() -> bool:
    """Whether a test runner has set up its environment in this process.

    Django's runner and pytest-django do so by ``setup_test_environment``, which keeps there what it
    has to put back. What a test starts, such as a worker, is a process of its own.
    """
    state = getattr(sys.modules.get("django.test.utils"), "_TestState", None)
    return hasattr(state, "saved_data")
