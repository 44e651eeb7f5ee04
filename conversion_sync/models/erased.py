"""What stands for the address of a person who was erased: its hash.

An opt-out outlives the erasure of its address: whoever asks for an address finds what stands
for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from typing import Any

from django.db.models import QuerySet

__all__ = ["PREFIX", "recall", "tokens", "trace"]

#: What no address begins with.
PREFIX = "erased:"


def trace(key: str) -> str:
    """What stands for an address, in normal form, that was erased."""
    return PREFIX + hashlib.sha256(f"conversion_sync:{key}".encode()).hexdigest()


def tokens(keys: Iterable[str]) -> dict[str, str]:
    """What stands for each of these addresses: the address, by what stands for it."""
    return {trace(key): key for key in keys}


def recall(rows: QuerySet[Any], column: str, keys: Collection[str]) -> None:
    """Have what stands for these erased addresses say them again: the person is back.

    Args:
        rows: all rows of a table.
        column: that which holds addresses.
    """
    erased = tokens(keys)
    for found in {*rows.filter(**{f"{column}__in": erased}).values_list(column, flat=True)}:
        rows.filter(**{column: found}).update(**{column: erased[found]})
