"""Rows locked, as far as the database can."""

from __future__ import annotations

from typing import Any

from django.db import connections, models

__all__ = ["locking"]


def locking(rows: models.QuerySet[Any], *, skip_locked: bool = False) -> models.QuerySet[Any]:
    """The rows, locked when they are read, as far as the database can.

    Who only refers to one of them, as a contact to its company, need not wait for that.

    Args:
        skip_locked: without those that others hold.
    """
    features = connections[rows.db].features
    return rows.select_for_update(
        skip_locked=skip_locked and features.has_select_for_update_skip_locked,
        of=("self",) if features.has_select_for_update_of else (),
        no_key=features.has_select_for_no_key_update,
    )
