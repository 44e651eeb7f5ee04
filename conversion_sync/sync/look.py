"""Looking at what is due longest: what of it is ready, what has to wait, what is not to be sent.

What a look costs depends on the number of rows that it takes, not on how many are due: it reads
the head of an index, and asks for each of these rows what it may have to wait for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import ExpressionWrapper, Q, QuerySet, Value
from django.db.models.fields import BooleanField

from conversion_sync.models.clock import DbNow
from conversion_sync.models.state import BULK, PERSON
from conversion_sync.sync.readiness import waits_for
from conversion_sync.sync.retry import retried
from conversion_sync.sync.types import Condition

__all__ = ["NEVER", "WINDOW", "Seen", "batch_of", "look"]

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


@retried
def look(
    heads: Sequence[QuerySet[Any]],
    size: int = WINDOW,
    *,
    obsolete: Condition = NEVER,
    preferred: Condition = NEVER,
    priorities: Sequence[int] = (PERSON, BULK),
) -> list[Seen]:
    """Look at the rows that are due, the urgent ones first, then by time. Writes nothing.

    Args:
        heads: querysets of ``unmarked`` of one model, each the range of an index that ends with
            ``priority`` and ``due_at``.
        size: the most rows.
        obsolete: under which condition a due row is not to be sent at all.
        preferred: for which rows ``Seen.is_preferred`` is True.
    """
    columns = ("due_at", "pk", "priority", "attempts")
    flags = ("waits_for", "is_obsolete", "is_preferred", "is_claimed")
    found: list[tuple[Any, ...]] = []
    for priority in priorities:
        due = [head.filter(priority=priority, due_at__lte=DbNow()) for head in heads]
        rows = [
            row
            for head in due
            for row in head.order_by("due_at")
            .annotate(
                waits_for=waits_for(head.model, head.db),
                is_obsolete=_flag(obsolete),
                is_preferred=_flag(preferred),
                is_claimed=_flag(Q(claim__isnull=False)),
            )
            .values_list(*columns, *flags)[:size]
        ]
        found += sorted(rows)[: size - len(found)]
        if len(found) >= size:
            break
    return [Seen(*row) for _, *row in found]


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
