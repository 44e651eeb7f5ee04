"""The databases of the site and of the sandbox, as an earlier run, or release, left them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, OperationalError, connection
from django.db.migrations.exceptions import InconsistentMigrationHistory
from django.db.migrations.loader import MigrationLoader

from project.demo.folder import Folder
from project.demo.words import Failed, say

__all__ = ["prepare"]


def prepare(folder: Folder) -> None:
    """Have a database of the site that can be used, and a sandbox that fits it.

    What can't be used is set aside, and said.

    Raises:
        Failed: another program holds the database.
    """
    is_new = not folder.database.exists()
    if not is_new and (problem := _problem()):
        _begin_anew(folder, problem)
        is_new = True
    if problem := _migrated():
        _begin_anew(folder, problem)
        is_new = True
        call_command("migrate", verbosity=0, interactive=False)
    if is_new and folder.sandbox.exists():
        aside = folder.set_aside(folder.sandbox)
        say(f"The sandbox has records of another database: they are in {aside}.")
    if not is_new:
        _fit(folder)


def _problem() -> str:
    """Return what keeps the database from being used by this release, or ""."""
    try:
        loader = MigrationLoader(connection)
        known = set(loader.disk_migrations) | {
            replaced
            for migration in loader.disk_migrations.values()
            for replaced in migration.replaces
        }
        newer = {app for app, _name in set(loader.applied_migrations) - known}
    except DatabaseError as error:
        return _said(error)
    if "conversion_sync" in newer:
        return "it is of a newer release"
    return ""


def _migrated() -> str:
    """Create the tables, or bring them up to date; return what kept them from it, or ""."""
    try:
        call_command("migrate", verbosity=0, interactive=False)
    except (CommandError, DatabaseError, InconsistentMigrationHistory) as error:
        return _said(error)
    return ""


def _said(error: Exception) -> str:
    if isinstance(error, OperationalError) and "locked" in str(error):
        raise Failed(
            "Another program holds the demo's database for longer than 20 s. End it, and start "
            "the demo again."
        ) from error
    return str(error).rstrip(".") or type(error).__name__


def _begin_anew(folder: Folder, problem: str) -> None:
    connection.close()
    aside = folder.set_aside(folder.database, folder.sandbox)
    say(f"The demo's database can't be used: {problem}. It is in {aside}; the demo begins anew.")


def _fit(folder: Folder) -> None:
    """Send all again to a sandbox that has lost its records."""
    if folder.sandbox.exists():
        if _is_usable(folder.sandbox):
            return
        say(f"The sandbox's records can't be read: they are in {folder.set_aside(folder.sandbox)}.")
    say(
        "The sandbox has lost its records, so contacts and companies are sent again; engagements "
        "and subscriptions, but for opt-outs, are not, as with a real account."
    )
    call_command("conversion_resync", "--no-input", verbosity=0)


def _is_usable(state: Path) -> bool:
    try:
        with sqlite3.connect(state) as database:
            database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        return False
    finally:
        database.close()
    return True
