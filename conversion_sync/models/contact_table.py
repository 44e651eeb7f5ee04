"""The table of contacts, for modules that the model itself stands on."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.apps import apps
from django.db.models import QuerySet

from conversion_sync.models.locking import locking

__all__ = ["contacts", "lock_free"]


def contacts(using: str) -> QuerySet[Any]:
    """All contacts of the database ``using``; what is written so marks nothing."""
    model: Any = apps.get_model("conversion_sync", "Contact")
    rows: QuerySet[Any] = model.unmarked.using(using)
    return rows


def lock_free(using: str, pks: Collection[int]) -> set[int]:
    """Lock those of these contacts that nobody else holds. Returns their primary keys."""
    if not pks:
        return set()
    rows = locking(contacts(using).filter(pk__in=pks).order_by("pk"), skip_locked=True)
    return {*rows.values_list("pk", flat=True)}
