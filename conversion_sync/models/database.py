"""Which of the site's databases holds the rows of this app."""

from __future__ import annotations

from django.db import router

from conversion_sync.models.api_gate import ApiGate

__all__ = ["database"]


def database() -> str:
    """The alias of the database that holds this app's rows, as the site's routers have it."""
    return router.db_for_write(ApiGate)
