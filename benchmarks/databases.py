"""The databases that are measured: which answer, and one of our own on each."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["NAMES", "address", "answers", "database_of_our_own"]

#: What they are called, and where they are unless the environment says otherwise.
SERVERS = {
    "SQLite": ("", ""),
    "PostgreSQL": (
        "POSTGRES_URL",
        "postgres://conversion:conversion@127.0.0.1:5432/conversion",
    ),
    "MariaDB": ("MARIADB_URL", "mysql://conversion:conversion@127.0.0.1:3306/conversion"),
}
NAMES = tuple(SERVERS)


def address(name: str) -> str:
    """Where the server of this name is; "" for SQLite."""
    variable, default = SERVERS[name]
    return os.environ.get(variable) or default


def answers(name: str) -> bool:
    """Whether somebody listens there."""
    if not (url := address(name)):
        return True
    parts = urlsplit(url)
    ports = {"postgres": 5432, "postgresql": 5432, "mysql": 3306}
    try:
        socket.create_connection(
            (parts.hostname or "127.0.0.1", parts.port or ports[parts.scheme]), timeout=5
        ).close()
    except OSError:
        return False
    return True


@contextmanager
def database_of_our_own() -> Iterator[None]:
    """Create a database with our tables, for this process and those it starts; removed at the end.

    Django is set up, with ``DATABASE_URL`` naming the server and a database that need not be there.
    """
    from django.db import connection

    creation = connection.creation
    created = creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    before = os.environ.get("DATABASE_URL")
    if connection.vendor == "sqlite":
        os.environ["DATABASE_URL"] = f"sqlite:///{Path(created).resolve()}"
    else:
        os.environ["DATABASE_URL"] = f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{created}"
    try:
        yield
    finally:
        if before is None:
            del os.environ["DATABASE_URL"]
        else:
            os.environ["DATABASE_URL"] = before
        creation.destroy_test_db("", verbosity=0)
