"""What an instance remembers of its row follows the transaction that wrote the row.

After a save the instance holds its row for written: it is there, it has that primary key, what was
assigned needs no writing again. If the transaction, or its savepoint, is rolled back, none of this
is so.

Django tells of a commit (``transaction.on_commit``), and of no rollback; but it drops the callback
then. So the callback is an object that the transaction alone holds: it was called, then the change
is committed; it is gone without having been called, then the change is rolled back. Of a savepoint
that is rolled back by hand, the journal tells.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from django.db import connections, transaction

from conversion_sync.models.journal import note

__all__ = ["MEMORIES", "Commit", "Instance", "follow"]

#: The attribute in which an instance keeps its memories, the oldest first.
MEMORIES = "_memories"


class Instance(Protocol):
    """A row in memory, which can say what changes write into it, and be as it was."""

    pk: Any
    _state: Any

    def _remembered(self) -> dict[str, Any]:
        """What changes write into the instance by themselves, as it is now."""

    def _restore(self, columns: dict[str, Any]) -> None:
        """Have the instance hold again what ``_remembered`` has returned."""


class _Outcome:
    """Whether a change is known to be committed; shared with those who remember."""

    committed = False


class Commit:
    """What is done when the transaction in hand commits. Keep no reference to it.

    Args:
        then: called after the commit.
    """

    def __init__(self, using: str, then: Callable[[], object]) -> None:
        self.using, self.outcome, self._then = using, _Outcome(), then
        transaction.on_commit(self, using=using)

    def __call__(self) -> None:
        self.outcome.committed = True
        self._then()


class _Memory:
    """What an instance was like before a change, and the end of that change."""

    def __init__(self, row: Instance, commit: Commit, *, deleting: bool) -> None:
        self._columns, self._pk, self._deleting = row._remembered(), row.pk, deleting
        self._adding, self._db = row._state.adding, row._state.db
        here, instance = weakref.ref(self), weakref.ref(row)
        using, outcome = commit.using, commit.outcome

        def end(commit: object) -> None:
            if (row := instance()) is not None and (memory := here()) is not None:
                _end(row, memory, committed=outcome.committed or _is_autocommit(using))

        self._commit, self._row = weakref.ref(commit, end), instance
        note(self, using)

    def undo(self) -> None:
        """The change was rolled back."""
        if (row := self._row()) is not None:
            _end(row, self, committed=False)

    def restore(self, row: Instance) -> None:
        """Have the instance be as it was, but for what was assigned to it since."""
        if self._adding or self._pk is None:
            row.pk, row._state.adding, row._state.db = self._pk, self._adding, self._db
        elif self._deleting:
            row.pk = self._pk
        row._restore(self._columns)


def _is_autocommit(using: str) -> bool:
    """A rollback ends before autocommit is on again, the callbacks of a commit run after that.

    Where one of them raises, Django drops the others, although all is committed.
    """
    return bool(connections[using].autocommit)


def _end(row: Instance, memory: _Memory, *, committed: bool) -> None:
    memories: list[_Memory] = row.__dict__[MEMORIES]
    if memory not in memories:
        return
    index = memories.index(memory)
    if committed:
        del memories[: index + 1]
        return
    for later in reversed(memories[index:]):
        later.restore(row)
    del memories[index:]


def follow(rows: Iterable[Instance], commit: Commit, *, deleting: bool = False) -> None:
    """Have each instance be again as it is now, if the change in hand is rolled back.

    Args:
        deleting: the change is the deletion of their rows.
    """
    for row in rows:
        memory = _Memory(row, commit, deleting=deleting)
        row.__dict__.setdefault(MEMORIES, []).append(memory)
