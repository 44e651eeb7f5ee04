"""A site on a database of its own, for what measures it or takes pictures of it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from project.processes import HOST

__all__ = ["set_up"]


def set_up(folder: Path, sandbox: int, rate: float) -> None:
    """Set the environment for this process and those it starts, and create the tables.

    Args:
        folder: where the SQLite database goes.
        sandbox: the port of the stand-in of the API.
        rate: calls a second.
    """
    for name in [name for name in os.environ if name.startswith("CONVERSION_")]:
        del os.environ[name]
    os.environ |= {
        "ALLOWED_HOSTS": HOST,
        "CONVERSION_API_KEY": "scratch-key",
        "CONVERSION_BASE_URL": f"http://{HOST}:{sandbox}/api/v1",
        "CONVERSION_RATE_LIMIT": str(rate),
        "DATABASE_URL": f"sqlite:///{folder / 'scratch.sqlite3'}",
        "DEBUG": "1",
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "IGNORE_DOT_ENV": "1",
        "NO_PROXY": "*",
        "REDIS_URL": "",
        "SECRET_KEY": secrets.token_urlsafe(48),
    }
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
