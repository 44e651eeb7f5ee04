"""Looking at what is due longest: what of it is ready, what has to wait, what is not to be sent.

What a look costs depends on the number of rows that it takes, not on how many are due: it reads
the head of an index, and asks for each of these rows what it may have to wait for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connections
from django.db.models import ExpressionWrapper, Q, QuerySet, Value
from django.db.models.fields import BooleanField

from conversion_sync.models.clock import DbNow
from conversion_sync.models.state import BULK, PERSON
from conversion_sync.sync.readiness import waits_for
from conversion_sync.sync.retry import retried
from conversion_sync.sync.types import Condition

__all__ = ["NEVER", "WINDOW", "Look", "Seen", "batch_of"]

#: Rows that are looked at together; as many as go into a claim, where that is more.
WINDOW = 200

#: From so many counted tries on, a row shares its call with fewer others, in the end with none.
SUSPECT = 4

#: A condition that holds for no row.
NEVER = Value(False)


@dataclass(frozen=True, slots=True)
class Seen:
    """A due row, as a look found it.

    Attributes:
        reason: what it has to wait for; blank if it is ready.
        is_obsolete: it is not to be sent at all.
        is_preferred: rows of which this is True are claimed before the others, and without them.
        is_claimed: the worker that had claimed it never came back.
    """

    pk: int
    priority: int
    attempts: int
    reason: str
    is_obsolete: bool
    is_preferred: bool
    is_claimed: bool

    @property
    def is_ready(self) -> bool:
        """Whether it may be claimed."""
        return not (self.reason or self.is_obsolete)


class Look:
    """What is asked of the rows that are due; built once, which takes longer than to run it.

    Args:
        heads: querysets of ``unmarked`` of one model, each the range of an index that ends with
            ``priority`` and ``due_at``.
        size: the most rows.
        obsolete: under which condition a due row is not to be sent at all.
        preferred: for which rows ``Seen.is_preferred`` is True.
    """

    def __init__(
        self,
        heads: Sequence[QuerySet[Any]],
        size: int = WINDOW,
        *,
        obsolete: Condition = NEVER,
        preferred: Condition = NEVER,
    ) -> None:
        self._using, self._size = heads[0].db, size
        self._statements = {
            priority: [
                _statement(head.filter(priority=priority), size, obsolete, preferred)
                for head in heads
            ]
            for priority in (PERSON, BULK)
        }

    @retried
    def rows(self, priorities: Sequence[int] = (PERSON, BULK)) -> list[Seen]:
        """The rows that are due, the urgent ones first, then by time. Writes nothing."""
        found: list[tuple[Any, ...]] = []
        for priority in priorities:
            rows = [row for each in self._statements[priority] for row in self._rows_of(*each)]
            found += sorted(rows)[: self._size - len(found)]
            if len(found) >= self._size:
                break
        return [
            Seen(pk, priority, attempts, reason, *map(bool, flags))
            for _, pk, priority, attempts, reason, *flags in found
        ]

    def _rows_of(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        with connections[self._using].cursor() as cursor:
            cursor.execute(sql, parameters)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _statement(
    head: QuerySet[Any], size: int, obsolete: Condition, preferred: Condition
) -> tuple[str, Sequence[Any]]:
    """A statement that gives what ``Seen`` has, behind when the row is due."""
    rows = (
        head.filter(due_at__lte=DbNow())
        .order_by("due_at")
        .annotate(
            waits_for=waits_for(head.model, head.db),
            is_obsolete=_flag(obsolete),
            is_preferred=_flag(preferred),
            is_claimed=_flag(Q(claim__isnull=False)),
        )
        .values_list(
            *("due_at", "pk", "priority", "attempts"),
            *("waits_for", "is_obsolete", "is_preferred", "is_claimed"),
        )[:size]
    )
    sql, parameters = rows.query.get_compiler(head.db).as_sql()
    return sql, parameters


def batch_of(ready: Sequence[Seen], most: int) -> list[int]:
    """The primary keys of those that go into one claim, of rows in the order of ``look``.

    Rows that were tried before keep to themselves; suspects in ever smaller batches.
    """
    if not ready:
        return []
    head = ready[0]
    if head.attempts >= SUSPECT:
        most = max(1, most // 8 ** (head.attempts - SUSPECT + 1))
    return [
        row.pk
        for row in ready
        if row.attempts == head.attempts and (row.priority == head.priority or not head.attempts)
    ][:most]


def _flag(condition: Condition) -> ExpressionWrapper[Any]:
    return ExpressionWrapper(condition, output_field=BooleanField())
