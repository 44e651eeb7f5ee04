"""Finding a record by its key in any spelling.

A row without a key is found by its own spelling alone.
"""

from __future__ import annotations

from typing import Any

from django.db.models.expressions import Col, Value
from django.db.models.functions import Collate, Upper
from django.db.models.lookups import Exact, IExact, In, IsNull
from django.db.models.sql.where import OR, WhereNode

from conversion_sync.models.fields.record_key import RecordKeyField
from conversion_sync.models.storable import storable_text

__all__ = ["LOOKUPS", "stripped", "without_nul"]


def stripped(value: Any) -> Any:
    """A spelling as it is kept, without white space around it."""
    return storable_text(without_nul(value)).strip() if isinstance(value, str) else value


def _text(value: Any) -> Any:
    """The text of a ``Value``; anything else as it is."""
    return value.value if isinstance(value, Value) and isinstance(value.value, str) else value


def without_nul(value: Any) -> Any:
    """A spelling without each NUL, which counts for nothing in a key."""
    return value.replace("\0", "") if isinstance(value, str) else value


def _both(*conditions: Any) -> WhereNode:
    return WhereNode([*conditions])


def _either(*conditions: Any) -> WhereNode:
    return WhereNode([*conditions], connector=OR)


class _AnySpelling:
    """Compares the key, where plain text is asked for; else, as Django, what people wrote."""

    def as_sql(self: Any, compiler: Any, connection: Any) -> Any:
        if (key := self._key()) is None:
            return super().as_sql(compiler, connection)  # type: ignore[misc]  # a lookup's
        return compiler.compile(self._condition(key, connection))

    def get_group_by_cols(self: Any) -> Any:
        key = self._key()
        return super().get_group_by_cols() + ([] if key is None else [key])  # type: ignore[misc]  # a lookup's

    def _key(self: Any) -> Any:
        """The column of the key; None where something else than plain text is compared."""
        texts = self.rhs if isinstance(self, In) else [_text(self.rhs)]
        if not isinstance(self.lhs, Col) or hasattr(texts, "resolve_expression"):
            return None
        if not all(isinstance(text, str) for text in texts):
            return None
        source = self.lhs.target
        for field in source.model._meta.concrete_fields:
            if isinstance(field, RecordKeyField) and field.source == source.name:
                return field.get_col(self.lhs.alias)
        return None

    def _as_spelled(self: Any, connection: Any) -> Any:
        """The source, byte by byte."""
        return Collate(self.lhs, "utf8mb4_bin") if connection.vendor == "mysql" else self.lhs


class _Is(_AnySpelling):
    """The row without a key that is spelled just so; if there is none, the row of the key."""

    def _condition(self: Any, key: Any, connection: Any) -> Any:
        text = stripped(_text(self.rhs))
        alone = _both(IsNull(key, True), Exact(self._as_spelled(connection), text))
        if (wanted := key.target.of(text)) is None:
            return alone
        # Not NULL: what is NULL is neither found nor excluded.
        row = _both(IsNull(key, False), self._equal(key, wanted), _NoneSpelled(self.lhs, key, text))
        return _either(row, alone)

    def _equal(self, key: Any, wanted: str) -> Any:
        return Exact(key, wanted)


class _IsIn(_AnySpelling):
    """The rows of the keys, and those without a key that are spelled just so."""

    def _condition(self: Any, key: Any, connection: Any) -> Any:
        texts = {stripped(text) for text in self.rhs}
        keys = {key.target.of(text) for text in texts} - {None}
        alone = _both(IsNull(key, True), In(self._as_spelled(connection), sorted(texts)))
        if not keys:
            return alone
        rows = _both(IsNull(key, False), In(key, sorted(keys)))
        return _either(rows, alone)


class _NoneSpelled:
    """No row without a key is spelled just so.

    The limit has MySQL read the rows before it changes any: else the statement that changes a
    table could not look into it.
    """

    contains_aggregate = contains_over_clause = False

    def __init__(self, source: Col, key: Col, text: str) -> None:
        self.source, self.key, self.text = source.target, key.target, text

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[str]]:
        quote = connection.ops.quote_name
        table = quote(self.source.model._meta.db_table)
        collation = " COLLATE utf8mb4_bin" if connection.vendor == "mysql" else ""
        # All of it are names of tables and columns; the text is a parameter.
        return (
            f"NOT EXISTS (SELECT 1 FROM (SELECT 1 AS spelled FROM {table}"  # noqa: S608  # see above
            f" WHERE {quote(self.key.column)} IS NULL"
            f" AND {quote(self.source.column)}{collation} = %s LIMIT 1) AS alone)",
            [self.text],
        )


class _SpelledExact(_Is, Exact):
    pass


class _SpelledIExact(_Is, IExact):
    def _equal(self, key: Any, wanted: str) -> Any:
        if key.target.normal(wanted.swapcase()) == wanted:
            return Exact(key, wanted)  # Its case counts for nothing, and an index holds it.
        return Exact(Upper(key), Upper(Value(wanted)))


class _SpelledIn(_IsIn, In):
    pass


LOOKUPS = (_SpelledExact, _SpelledIExact, _SpelledIn)
