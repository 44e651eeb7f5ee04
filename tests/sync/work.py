"""How much a database reads for a statement: a measure that does not depend on the machine."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection

__all__ = ["Work", "analyse", "measured"]

#: Steps of SQLite's machine between two counts.
STEPS = 10


@dataclass
class Work:
    """What the dearest statement read.

    SQLite: steps of its machine; MariaDB: rows; PostgreSQL: blocks, of SELECTs only.
    """

    amount: int = 0
    sql: str = ""

    def note(self, amount: int, sql: str) -> None:
        if amount > self.amount:
            self.amount, self.sql = amount, sql


@contextlib.contextmanager
def measured() -> Iterator[Work]:
    """What the statements of this block read."""
    work = Work()
    with {"sqlite": _sqlite, "postgresql": _postgresql, "mysql": _mysql}[connection.vendor](work):
        yield work


def analyse(*models: Any) -> None:
    """Have the planner know the tables, and old versions of rows gone, as after a while."""
    # MariaDB guesses from a few pages of an index, among them what earlier tests have left: written
    # anew, a table is as small as it is.
    words = {"sqlite": "ANALYZE", "postgresql": "VACUUM (ANALYZE)", "mysql": "OPTIMIZE TABLE"}
    with connection.cursor() as cursor:
        for model in models:
            cursor.execute(f"{words[connection.vendor]} {model._meta.db_table}")


@contextlib.contextmanager
def _counting(work: Work, count: Callable[[], int]) -> Iterator[None]:
    """Note what was counted from each statement to the next: rows are read after it was run."""
    last, before = "", 0

    def note(sql: str) -> None:
        nonlocal last, before
        if last:
            work.note(count() - before, last)
        last, before = sql, count()

    def counted(execute: Any, sql: str, *args: Any) -> Any:
        note(sql)
        return execute(sql, *args)

    with connection.execute_wrapper(counted):
        yield
    note("")


@contextlib.contextmanager
def _sqlite(work: Work) -> Iterator[None]:
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += STEPS
        return 0

    raw: Any = connection.connection
    raw.set_progress_handler(step, STEPS)
    try:
        with _counting(work, lambda: steps):
            yield
    finally:
        raw.set_progress_handler(None, 0)


@contextlib.contextmanager
def _mysql(work: Work) -> Iterator[None]:
    def rows_read() -> int:
        with contextlib.closing(connection.connection.cursor()) as cursor:
            cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%'")
            return sum(int(value) for _, value in cursor.fetchall())

    with _counting(work, rows_read):
        yield


@contextlib.contextmanager
def _postgresql(work: Work) -> Iterator[None]:
    def explained(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SELECT"):
            with connection.connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params)
                [found] = cursor.fetchone()
            plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
            work.note(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], sql)
        return execute(sql, params, many, context)

    with connection.cursor() as cursor:
        for way in ("seqscan", "hashjoin", "mergejoin"):
            # They serve where a table is small, and say nothing of what a large one costs.
            cursor.execute(f"SET enable_{way} = off")
        # Where there is no other way, its cost is beyond measure: PostgreSQL would compile the
        # plan, for a quarter of a second each time.
        cursor.execute("SET jit = off")
        with connection.execute_wrapper(explained):
            yield
        cursor.execute("RESET ALL")
