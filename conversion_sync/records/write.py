"""Rows that are brought in by their keys, in bulk: read and locked, edited, written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.utils import timezone

from conversion_sync.models import SubscriptionChange, SyncedModel
from conversion_sync.records.edit import Edit

__all__ = ["locked", "write"]


def locked(
    model: type[SyncedModel], using: str, keys: Collection[str], *, column: str = "key"
) -> dict[str, Any]:
    """Read and lock the rows of these keys. In a transaction.

    Args:
        column: that holds the keys, in their normal form.
    """
    rows = model._default_manager.using(using).filter(**{f"{column}__in": keys})
    return {getattr(row, column): row for row in rows.order_by("pk").select_for_update()}


def write(
    model: type[SyncedModel], using: str, edits: Sequence[Edit], *, opt_outs: Collection[str] = ()
) -> None:
    """Write rows that are new or locked, a few statements for all of them. In a transaction.

    Args:
        opt_outs: keys of contacts for whom an opt-out is entered, where none stands.

    Raises:
        IntegrityError, DataError: the database refuses one of them.
    """
    if opt_outs:
        SubscriptionChange.opt_out(using, opt_outs)
    table: Any = model._default_manager.using(using)
    table.bulk_create([edit.row for edit in edits if edit.is_new])
    for changed, rows in _alike(edit for edit in edits if not edit.is_new).items():
        table.bulk_update(rows, [*sorted(changed), "updated_at"])


def _alike(edits: Iterable[Edit]) -> dict[frozenset[str], list[Any]]:
    """The rows with the same changes together: what does not change is not written."""
    alike = defaultdict[frozenset[str], list[Any]](list)
    for edit in edits:
        edit.row.updated_at = timezone.now()
        alike[frozenset(edit.changed)].append(edit.row)
    return alike
