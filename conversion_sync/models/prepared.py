"""Statements that are built once a process, and run with other values each time.

Django takes longer to build a statement than a database to run it. What each batch of a drain asks,
and nearly always finds nothing, is asked so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from django.db.models import QuerySet

__all__ = ["prepared"]

#: Statements that are kept: one for each number of values that is asked for together.
KEPT = 512


class _Place:
    """Stands for a value in a statement that is built."""

    def __init__(self, index: int) -> None:
        self.index = index


def prepared(
    question: Callable[..., QuerySet[Any]], using: str, *values: Collection[Any]
) -> tuple[str, list[Any]]:
    """The statement of a question about these values, and its parameters.

    Args:
        question: a function of a module. From an alias and as many collections of values as are
            given it makes a queryset; it passes them on to ``among``, and looks at none of them.
        using: the alias.
        values: not all of them empty.
    """
    sql, parameters = _statement(question, using, *map(len, values))
    given = list(chain.from_iterable(values))
    return sql, [given[each.index] if isinstance(each, _Place) else each for each in parameters]


@lru_cache(maxsize=KEPT)
def _statement(
    question: Callable[..., QuerySet[Any]], using: str, *counts: int
) -> tuple[str, Sequence[Any]]:
    places = iter(range(sum(counts)))
    values = [[_Place(next(places)) for _ in range(count)] for count in counts]
    sql, parameters = question(using, *values).query.get_compiler(using).as_sql()
    return sql, list(parameters)
