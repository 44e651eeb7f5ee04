"""Under a test runner no call is made by accident: not by hand either."""

from __future__ import annotations

from conversion_sync.api.base_url import is_loopback
from conversion_sync.api.permission import require_permission
from conversion_sync.conf import conf
from conversion_sync.test_runner import are_calls_allowed, is_under_test

__all__ = ["connect"]

WHY = (
    "Under a test runner no call is made. Have the sandbox take the place of the API "
    "(conversion_sync.testing.sandboxed, or the fixture “conversion”), or, where the test answers "
    "the calls itself, allow them (conversion_sync.testing.calls_allowed)."
)


def connect() -> None:
    """Have each call of this process ask first."""
    require_permission(_why_not)


def _why_not(base_url: str) -> str:
    if not is_under_test() or are_calls_allowed():
        return ""
    is_ours = base_url == conf.base_url or is_loopback(base_url)
    return "" if conf.send_in_tests and is_ours else WHY
