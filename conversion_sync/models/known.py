"""Whether anything is known of the person whom a new contact stands for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db import connections

from conversion_sync.models.deletion import Deletion
from conversion_sync.models.erased import trace
from conversion_sync.models.priority import in_background
from conversion_sync.models.subscription_change import SubscriptionChange

__all__ = ["is_known"]

#: What stands for the contact and its key in a statement that is built.
_PK, _KEY = -1, "\ufffe"


def is_known(using: str, pk: int, key: str) -> bool:
    """Whether the log, or a deletion in the background, knows the contact or its key.

    One statement, for that is nearly never so.
    """
    sql, parameters = _statement(using)
    given: dict[Any, Any] = {_PK: pk, _KEY: key, trace(_KEY): trace(key)}
    with connections[using].cursor() as cursor:
        cursor.execute(sql, [given.get(each, each) for each in parameters])
        return any(cursor.fetchone())


@cache
def _statement(using: str) -> tuple[str, Sequence[Any]]:
    log = SubscriptionChange.objects.using(using).of([_PK], [_KEY, trace(_KEY)])
    deletions = in_background(using, Deletion.Kind.CONTACT, [_KEY])
    exists: list[tuple[str, Any]] = [
        rows.values("pk").query.get_compiler(using).as_sql() for rows in (log, deletions)
    ]
    selected = ", ".join(f"EXISTS ({sql})" for sql, _ in exists)
    return f"SELECT {selected}", [each for _, parameters in exists for each in parameters]
