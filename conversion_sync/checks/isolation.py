"""Whether the database isolates transactions as this app was tried with."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage
from django.db import connections, router

from conversion_sync.checks.messages import warning

__all__ = ["check_isolation"]

#: The names of PostgreSQL's levels, as psycopg numbers them from 1 on.
POSTGRESQL_LEVELS = ("read uncommitted", "read committed", "repeatable read", "serializable")

#: By the vendor's name in Django: the isolation levels at which the tests run.
TRIED = {
    "postgresql": POSTGRESQL_LEVELS[1:],
    "mysql": ("read committed", "repeatable read"),
}


def check_isolation(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Check that the database's isolation level is one at which this app was tried."""
    from conversion_sync.models import Contact

    connection = connections[router.db_for_write(Contact)]
    tried, level = TRIED.get(connection.vendor), _isolation_level(connection)
    if tried is None or level is None or level in tried:
        return []
    return [
        warning(
            "W023",
            f"The database's isolation level is {level!r}, at which this app was not tried.",
            f"It was tried at: {', '.join(tried)}.",
        )
    ]


def _isolation_level(connection: Any) -> str | None:
    """The level that the settings ask for, in words; None: the one that Django takes by itself."""
    level = (connection.settings_dict.get("OPTIONS") or {}).get("isolation_level")
    if isinstance(level, int) and connection.vendor == "postgresql":
        return dict(enumerate(POSTGRESQL_LEVELS, 1)).get(level, str(level))
    return level.lower() if isinstance(level, str) else None
