"""Rows that are one mailbox, or one company, in several spellings; one of them holds the key.

The others are not sent. They take the key when it is free; until then somebody merges them, or
corrects or deletes one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from conversion_sync import signals
from conversion_sync.api.errors import ErrorCode
from conversion_sync.models import Record
from conversion_sync.models.locking import locking
from conversion_sync.sync.retry import retried
from conversion_sync.sync.transactions import short_transaction
from conversion_sync.sync.waiting import release_behind

__all__ = ["Clash", "clashes", "holder_of", "look_again"]

ROWS_AT_ONCE = 500


def look_again(model: Any, using: str, pks: Collection[int]) -> None:
    """Give those of the due rows that have no key the one that they want; or who holds it is said.

    Args:
        pks: their primary keys.
    """
    _look_again(model.unmarked.using(using).filter(key=None, pk__in=pks))
    release_behind(model, using, pks)


@retried
def _look_again(rows: QuerySet[Any]) -> None:
    model: type[Record] = rows.model
    with short_transaction(rows.db):
        locked = locking(rows.order_by("pk"), skip_locked=True)
        pks = list(locked.values_list("pk", flat=True)[:ROWS_AT_ONCE])
        failed = model.take_keys(rows.db, pks)
    if failed:
        signals.row_failed.send_robust(sender=model, pks=failed)


@dataclass(frozen=True)
class Clash:
    """Two rows of one key: the one that holds it, and one that is not sent."""

    holder: Any
    other: Any


def clashes(model: Any, using: str = "default") -> Iterator[Clash]:
    """The rows without a key, each with the row that holds it."""
    waiting = model.unmarked.using(using).filter(key=None, last_error_code=ErrorCode.KEY_CLASH)
    for other in waiting.order_by("pk").iterator(chunk_size=ROWS_AT_ONCE):
        holder = holder_of(other)
        if holder is not None:
            yield Clash(holder, other)


def holder_of(row: Record) -> Any:
    """The row that holds the key of a row that has none; None if nobody does."""
    if row.key is not None:
        return None
    model: Any = type(row)
    return model.unmarked.using(row._state.db).filter(key=row.wanted_key).first()
