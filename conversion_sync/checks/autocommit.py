"""Whether the database commits by itself, as Django's own blocks of ``atomic()`` need it."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage
from django.db import connections, router

from conversion_sync.checks.messages import error

__all__ = ["check_autocommit"]


def check_autocommit(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Check that no transaction goes on after each statement, in which nothing can be sent."""
    from conversion_sync.models import Contact

    alias = router.db_for_write(Contact)
    if connections[alias].settings_dict.get("AUTOCOMMIT", True):
        return []
    return [
        error(
            "E025",
            f"AUTOCOMMIT of the database {alias!r} is off: each thread is always within a "
            "transaction, and Conversion is never called within one. So nothing is sent.",
            "Leave AUTOCOMMIT out; ATOMIC_REQUESTS gives each request a transaction.",
        )
    ]
