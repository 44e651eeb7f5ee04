"""In which order rows were changed and savepoints begun, on each connection.

Django tells of no savepoint that is rolled back by hand (``transaction.savepoint_rollback()``), and
keeps the callbacks that were registered after it. So the statements themselves are listened to.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable
from typing import Any, Protocol

from django.db import connections

__all__ = ["Undoable", "note"]

_STATEMENT = re.compile(
    r"\s*(SAVEPOINT|RELEASE(?: SAVEPOINT)?|ROLLBACK(?: WORK| TRANSACTION)? TO(?: SAVEPOINT)?)"
    r" +([^\s;]+)[\s;]*",
    re.IGNORECASE,
)

#: The attribute in which a connection keeps its journal.
_JOURNAL = "_conversion_sync_journal"


class Undoable(Protocol):
    """What can be undone, and is forgotten when nobody else knows of it."""

    def undo(self) -> None:
        """Be told that the change was rolled back."""


class _Journal:
    """The changes of one connection that are not known to be committed, and its savepoints.

    A savepoint that it does not know was begun before all of these changes.
    """

    def __init__(self) -> None:
        self._changes = weakref.WeakKeyDictionary[Undoable, int]()
        self._savepoints = list[tuple[str, int]]()
        self._count = 0

    def add(self, change: Undoable) -> None:
        self._forget()
        self._count += 1
        self._changes[change] = self._count

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        result = execute(sql, params, many, context)
        if isinstance(sql, str) and (statement := _STATEMENT.fullmatch(sql)):
            verb, name = statement[1].upper(), statement[2].strip('"`').lower()
            if verb == "SAVEPOINT":
                self._begin(name)
            elif verb.startswith("RELEASE"):
                del self._savepoints[self._place(name) :]
            else:
                self._roll_back(name)
        return result

    def _begin(self, name: str) -> None:
        self._forget()
        if self._changes:
            self._savepoints.append((name, self._count))

    def _roll_back(self, name: str) -> None:
        place = self._place(name)
        since = self._savepoints[place][1] if place < len(self._savepoints) else 0
        del self._savepoints[place + 1 :]
        for change, number in list(self._changes.items()):
            if number > since:
                change.undo()

    def _place(self, name: str) -> int:
        """Where the savepoint stands; that of the first one, for one that is older."""
        for place in reversed(range(len(self._savepoints))):
            if self._savepoints[place][0] == name:
                return place
        self._savepoints.clear()
        return 0

    def _forget(self) -> None:
        if not self._changes:
            self._savepoints.clear()


def note(change: Undoable, using: str) -> None:
    """Have the change undone if a savepoint of ``using`` that is older is rolled back.

    It is kept by a weak reference.
    """
    connection = connections[using]
    journal: _Journal | None = getattr(connection, _JOURNAL, None)
    if journal is None:
        journal = _Journal()
        setattr(connection, _JOURNAL, journal)
    if journal not in connection.execute_wrappers:
        # First of all: Django takes those of its context managers from the end.
        connection.execute_wrappers.insert(0, journal)
    journal.add(change)
