"""The key of a record, and the column in which people write it: any spelling finds the row.

A key is derived by its field whenever a row is written, by the historical models of a data
migration too. A row without a key (NULL) is not sent: another row holds its key, or there is none
that the column can hold. It is found by its own spelling alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from django import forms
from django.db import models
from django.db.models.expressions import Col, Value
from django.db.models.functions import Collate, Upper
from django.db.models.lookups import Exact, IExact, In, IsNull
from django.db.models.sql.where import OR, WhereNode

from conversion_sync.models.fields import KeyField
from conversion_sync.models.storable import StorableText, storable_text
from conversion_sync.models.validators import validate_address, validate_external_id

__all__ = ["AddressField", "ExternalIdField", "RecordKeyField"]

if TYPE_CHECKING:
    _CharField: TypeAlias = models.CharField[Any, Any]
    _EmailField: TypeAlias = models.EmailField[Any, Any]
else:
    _CharField, _EmailField = models.CharField, models.EmailField


class RecordKeyField(KeyField):
    """The normal form of what another column of the row holds: unique, or NULL.

    Args:
        source: the name of that column.
        normal: from a spelling to its normal form; importable, for migrations name it.
    """

    def __init__(
        self, *args: Any, source: str, normal: Callable[[str], str], **kwargs: Any
    ) -> None:
        fixed = {"unique": True, "null": True, "default": None, "editable": False}
        super().__init__(*args, **kwargs | fixed)
        self.source, self.normal = source, normal

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, kwargs | {"source": self.source, "normal": self.normal}

    def normal_form(self, spelling: str) -> str:
        """The normal form of a spelling, as far as the column can hold it."""
        return self._normal(spelling)[: self.max_length]

    def of(self, spelling: str | None) -> str | None:
        """The key of a spelling; None if there is none that the column can hold."""
        if spelling is None or len(key := self._normal(spelling)) > (self.max_length or 0):
            return None
        return key

    def _normal(self, spelling: str) -> str:
        return storable_text(self.normal(spelling))

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        key = self.of(getattr(model_instance, self.source))
        if key is not None and not add and getattr(model_instance, self.attname) is None:
            # Another row held it when this one was loaded.
            rows = type(model_instance)._base_manager.using(model_instance._state.db)
            others = rows.filter(**{self.attname: key}).exclude(pk=model_instance.pk)
            key = None if others.exists() else key
        setattr(model_instance, self.attname, key)
        return key


class _Spelling(StorableText):
    """As people wrote it; a NUL counts for nothing, like all that is invisible in a key."""

    def get_prep_value(self, value: Any) -> Any:
        return _stripped(super().get_prep_value(_without_nul(value)))

    def is_storable(self, value: Any) -> bool:
        return super().is_storable(_without_nul(value))


def _stripped(value: Any) -> Any:
    return storable_text(_without_nul(value)).strip() if isinstance(value, str) else value


def _without_nul(value: Any) -> Any:
    return value.replace("\0", "") if isinstance(value, str) else value


class _AddressFormField(forms.EmailField):
    default_validators = [validate_address]  # noqa: RUF012  # as Django declares it


class AddressField(_Spelling, _EmailField):
    """The email of a contact, as people write it; found in any spelling of its mailbox."""

    default_validators = [validate_address]  # noqa: RUF012  # as Django declares it

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": _AddressFormField, **kwargs})


class ExternalIdField(_Spelling, _CharField):
    """The external id of a company, as people write it; found in any spelling of its key."""

    default_validators = [validate_external_id]  # noqa: RUF012  # as Django declares it


# Lookups


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
        texts = self.rhs if isinstance(self, In) else [self.rhs]
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
        text = _stripped(self.rhs)
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
        texts = {_stripped(text) for text in self.rhs}
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


for _field in (AddressField, ExternalIdField):
    for _lookup in (_SpelledExact, _SpelledIExact, _SpelledIn):
        _field.register_lookup(_lookup)
