"""The database as calls and drains use it: their own transactions, none during a call; connections
that broke.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from django.db import connections, transaction

__all__ = ["CallInTransaction", "close_broken", "refuse_transaction", "short_transaction"]

#: Databases whose transactions have levels, and that take one for the next, or the first moment of
#: a transaction, alone: what the site has set for its session stays as it is.
_WITH_LEVELS = ("postgresql", "mysql")


class CallInTransaction(RuntimeError):
    """A call was to be made while this thread has a transaction open.

    What it holds, others would wait for as long as the call takes; and what the call brought
    would be lost if it were rolled back.
    """


def refuse_transaction() -> None:
    """See that this thread has no transaction open, on any database; a TestCase's own is none.

    Raises:
        CallInTransaction: it has one.
    """
    for connection in connections.all(initialized_only=True):
        if _in_transaction(connection):
            raise CallInTransaction(
                f"A transaction is open on the database {connection.alias!r}: Conversion is never "
                "called within one. Leave the atomic block first; a view that calls is marked "
                "with django.db.transaction.non_atomic_requests."
            )


def _in_transaction(connection: Any) -> bool:
    if connection.in_atomic_block:
        # Without autocommit, the first block is none of the list: a transaction goes on after it.
        blocks = connection.atomic_blocks
        return not blocks or any(not block._from_testcase for block in blocks)
    return connection.connection is not None and not connection.autocommit


@contextlib.contextmanager
def short_transaction(using: str) -> Iterator[None]:
    """A transaction of the drain's own: READ COMMITTED, whatever level the site has set.

    What it reads after a lock is then what was locked; on MySQL and MariaDB it locks no gaps
    between rows, where a host's transactions would meet it. Within a transaction of the caller it
    is a savepoint, and has that one's level.
    """
    connection = connections[using]
    sets = connection.vendor in _WITH_LEVELS and not connection.in_atomic_block
    # Without autocommit a transaction may have begun.
    sets = sets and connection.get_autocommit()
    with transaction.atomic(using=using):
        if sets:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        yield


def close_broken() -> None:
    """Close those connections of this thread that failed and are dead: the next use opens anew.

    All others stay as they are, whatever their age: a drain may run in a site's own process,
    between the rows of a cursor or under a lock of its session.
    """
    for connection in connections.all(initialized_only=True):
        if connection.connection is None or connection.in_atomic_block:
            continue
        if connection.errors_occurred:
            if connection.is_usable():
                connection.errors_occurred = False
            else:
                connection.close()
