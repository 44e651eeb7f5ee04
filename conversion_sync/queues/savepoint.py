"""A block that leaves a transaction in hand as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from django.db import connections, transaction

__all__ = ["savepoint"]


@contextlib.contextmanager
def savepoint(using: str) -> Iterator[None]:
    """What fails in this block leaves a transaction in hand as it was.

    Callbacks of a commit run in autocommit, but in a test, or where another database has a
    transaction of its own.
    """
    if connections[using].in_atomic_block:
        with transaction.atomic(using=using):
            yield
    else:
        yield
