"""Sites of their own: environments, commands in them, and the database that they leave."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

__all__ = [
    "COMMAND_LIMIT",
    "INSTALLED",
    "LIMIT",
    "ROOT",
    "Environment",
    "inherited",
    "postgres_database",
    "run",
    "schema",
]

#: Seconds for all that a site of its own needs, and for one command.
LIMIT, COMMAND_LIMIT = 1200, 300

ROOT = Path(__file__).resolve().parents[2]

#: The settings that a site on SQLite adds for this app.
INSTALLED = """
INSTALLED_APPS += ["django_q", "conversion_sync"]
Q_CLUSTER = {
    "orm": "default", "workers": 1, "queue_limit": 1, "bulk": 1, "timeout": 60, "retry": 240,
    "max_attempts": 1, "ack_failures": True, "save_limit": -1, "catch_up": False,
}
DATABASES["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 20}
"""


POSTGRES_URL = (
    os.environ.get("POSTGRES_URL") or "postgres://conversion:conversion@127.0.0.1:5432/conversion"
)

POSTGRES = """
DATABASES = {{"default": {{
    "ENGINE": "django.db.backends.postgresql", "NAME": "{name}", "USER": "{server.username}",
    "PASSWORD": "{server.password}", "HOST": "{server.hostname}", "PORT": "{server.port}",
}}}}
"""

#: A statement on databases, by what the site has.
STATEMENT = """
import sys, psycopg
url, statement = sys.argv[1:]
with psycopg.connect(url, autocommit=True) as connection:
    connection.execute(statement)
"""


def inherited() -> dict[str, str]:
    """This process's environment, without this checkout's settings: none may reach a site."""
    ours = ("DJANGO_SETTINGS_MODULE", "DATABASE_URL", "PYTHONPATH", "USE_TZ")
    return {name: value for name, value in os.environ.items() if name not in ours}


def run(command: list[str], cwd: Path, **more: str) -> str:
    """What a command prints; it has to succeed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=inherited() | more,
        capture_output=True,
        text=True,
        timeout=COMMAND_LIMIT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Environment:
    """A virtual environment."""

    def __init__(self, folder: Path, python: str) -> None:
        self.folder = folder
        self.python = str(folder / "bin" / "python")
        run([python, "-m", "venv", str(folder)], folder.parent)

    def install(self, *what: str) -> None:
        """Install these, by pip."""
        pip = [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, *what], self.folder)


def schema(database: Path) -> set[tuple[str, str, str, str]]:
    """What an SQLite database is made of: kind, table, name, and how it was made."""
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT type, tbl_name, name, sql FROM sqlite_master")
        return {(str(kind), str(table), str(name), str(sql)) for kind, table, name, sql in rows}


@contextmanager
def postgres_database(python: str) -> Iterator[str]:
    """A database of its own, by an environment that has psycopg. Gives a site's settings of it."""
    server = urlsplit(POSTGRES_URL)

    def say(statement: str) -> None:
        url = server._replace(path="/postgres").geturl()
        run([python, "-c", STATEMENT, url, statement], ROOT)

    name = f"test_{uuid.uuid4().hex}"
    say(f'CREATE DATABASE "{name}"')
    try:
        yield POSTGRES.format(name=name, server=server)
    finally:
        say(f'DROP DATABASE "{name}" WITH (FORCE)')
