"""A choice that knows whether it was assigned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from django.db import models
from django.db.models.query_utils import DeferredAttribute
from django.utils.functional import cached_property

from conversion_sync.models.fields.storable import StorableText

__all__ = ["AssignedField"]

if TYPE_CHECKING:
    _CharField: TypeAlias = models.CharField[Any, Any]
else:
    _CharField = models.CharField


class _Assigned(DeferredAttribute):
    """Remembers on the instance that the column was assigned since it was loaded."""

    field: AssignedField

    def __set__(self, instance: models.Model, value: Any) -> None:
        instance.__dict__[self.field.attname] = self.field.normal(value)
        instance.__dict__[f"_{self.field.attname}_assigned"] = True


class AssignedField(StorableText, _CharField):
    """A choice that knows whether it was assigned since the instance was loaded.

    A choice is itself in any case, and with white space around it: a site may write "unsubscribed".
    """

    descriptor_class = _Assigned

    def normal(self, value: Any) -> Any:
        """The choice that is meant, or the value as it is."""
        if not value or value in self._words:
            return value
        word = value.strip().upper() if isinstance(value, str) else value
        return word if word in self._words else value

    @cached_property
    def _words(self) -> frozenset[Any]:
        return frozenset(choice for choice, _ in self.flatchoices)

    def get_prep_value(self, value: Any) -> Any:
        return self.normal(super().get_prep_value(value))
