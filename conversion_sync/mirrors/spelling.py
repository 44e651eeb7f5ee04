"""Primary keys that are texts, as their rows spell them.

To many a collation ``A1`` is ``a1``, ``é`` is ``e``, and blanks at the end are none: a foreign key,
an instance in memory or a mark may spell a key otherwise than the row that it means.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.db import models

__all__ = ["as_stored"]


def as_stored(using: str, model: type[models.Model], pks: Collection[Any]) -> Mapping[Any, Any]:
    """How the rows spell those of these primary keys that are spelled otherwise.

    One query for all, where they are texts, and one more for each that is spelled otherwise; a
    database that compares exactly has none.
    """
    texts = {pk for pk in pks if isinstance(pk, str)}
    if not texts:
        return {}
    rows = model._base_manager.using(using)
    # Compared with texts alone, and not with a column that may have another collation.
    there = {*rows.filter(pk__in=texts).values_list("pk", flat=True)}
    if there <= texts:
        return {}
    asked = {pk: rows.filter(pk=pk).values_list("pk", flat=True).first() for pk in texts - there}
    return {pk: stored for pk, stored in asked.items() if stored is not None}
