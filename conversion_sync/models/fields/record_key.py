"""The key of a record.

It is derived by its field whenever a row is written, by the historical models of a data migration
too. A row without a key (NULL) is not sent: another row holds its key, or there is none that the
column can hold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conversion_sync.models.fields.text import KeyField
from conversion_sync.models.storable import storable_text

__all__ = ["RecordKeyField"]


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
