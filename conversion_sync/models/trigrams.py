"""Indexes that find any part of a text: PostgreSQL's trigrams, where somebody has had them made.

They are no part of the migrations: the extension may need an administrator, and each save of a
contact costs more with them.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db import connections
from django.db.models import Func, TextField

__all__ = ["INDEXES", "LEAST", "Digits", "are_there", "drop", "is_possible", "make"]

#: Characters that a part must have for such an index to find it.
LEAST = 3

#: The table, and the expressions as the ORM writes them, of each index.
INDEXES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "conversion_contact_parts": (
        "conversion_sync_contact",
        (
            "UPPER(email::text)",
            "UPPER(first_name::text)",
            "UPPER(last_name::text)",
            "REGEXP_REPLACE(phone, '[^0-9]', '', 'g')",
        ),
    ),
    "conversion_company_parts": (
        "conversion_sync_company",
        ("UPPER(company_name::text)", "UPPER(base_domain::text)"),
    ),
}

_VALID = """
    SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indisvalid AND pg_table_is_visible(pg_class.oid) AND relname = ANY(%s)
"""


class Digits(Func):
    """The digits of a text, as the index has them."""

    function = "REGEXP_REPLACE"
    template = "%(function)s(%(expressions)s, '[^0-9]', '', 'g')"
    output_field = TextField()


def is_possible(using: str) -> bool:
    """Whether the database can have such indexes."""
    return connections[using].vendor == "postgresql"


def are_there(using: str) -> bool:
    """Whether the database has them, whole. One query, on PostgreSQL alone."""
    return is_possible(using) and set(INDEXES) <= _valid(using)


def make(using: str) -> None:
    """Have the database make those that it lacks, while others write.

    Raises:
        ProgrammingError: the extension is missing, and this user may not add it.
    """
    with connections[using].cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        for name in sorted(set(INDEXES) - _valid(using)):
            table, expressions = INDEXES[name]
            parts = ", ".join(f"({each}) gin_trgm_ops" for each in expressions)
            # One that was stopped half-way is there, and serves nobody.
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            cursor.execute(f"CREATE INDEX CONCURRENTLY {name} ON {table} USING gin ({parts})")


def drop(using: str) -> None:
    """Have the database forget them."""
    with connections[using].cursor() as cursor:
        for name in INDEXES:
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def _valid(using: str) -> set[str]:
    with connections[using].cursor() as cursor:
        cursor.execute(_VALID, [[*INDEXES]])
        return {name for (name,) in cursor.fetchall()}
