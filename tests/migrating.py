"""The database as a release before had it, and its models."""

from __future__ import annotations

import functools
from typing import Any

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

__all__ = ["migrate", "models_at"]


def migrate(name: str | None) -> None:
    """Migrate this app to the migration of that name; None: to the newest."""
    executor = MigrationExecutor(connection)
    leaves = [each for each in executor.loader.graph.leaf_nodes() if each[0] == "conversion_sync"]
    executor.migrate(leaves if name is None else [("conversion_sync", name)])


@functools.cache
def models_at(name: str) -> Any:
    """The historical models of this app after the migration of that name."""
    loader = MigrationExecutor(connection).loader
    return loader.project_state([("conversion_sync", name)]).apps
