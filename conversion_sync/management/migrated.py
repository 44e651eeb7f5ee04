"""Commands that need this app's tables, and say in words that those are not there yet."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, ProgrammingError, connections
from django.db.migrations.executor import MigrationExecutor

from conversion_sync.models.database import database

__all__ = ["DatabaseCommand"]

APP = "conversion_sync"


class DatabaseCommand(BaseCommand):
    """A command that reads or writes this app's rows."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run it.

        Raises:
            CommandError: also where a table or a column is missing, for ``migrate`` has not run.
        """
        try:
            return super().execute(*args, **options)
        except (ProgrammingError, OperationalError) as error:
            using = options.get("database") or database()
            if _is_migrated(using):
                raise
            raise CommandError(
                f"The tables of this app are not in the database {using!r} as this release has "
                f"them: first run “manage.py migrate {APP} --database {using}”."
            ) from error


def _is_migrated(using: str) -> bool:
    """Whether all migrations of this app are applied; True where the database does not say."""
    try:
        executor = MigrationExecutor(connections[using])
        targets = executor.loader.graph.leaf_nodes(APP)
        return not executor.migration_plan(targets)
    except (ProgrammingError, OperationalError):
        return True
