"""The column in which people write a key: any spelling of it finds the row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from django import forms
from django.db import models

from conversion_sync.models.fields.lookups import LOOKUPS, stripped, without_nul
from conversion_sync.models.fields.storable import StorableText
from conversion_sync.models.validators import validate_address, validate_external_id

__all__ = ["AddressField", "ExternalIdField"]

if TYPE_CHECKING:
    _CharField: TypeAlias = models.CharField[Any, Any]
    _EmailField: TypeAlias = models.EmailField[Any, Any]
else:
    _CharField, _EmailField = models.CharField, models.EmailField


class _Spelling(StorableText):
    """As people wrote it; a NUL counts for nothing, like all that is invisible in a key."""

    def get_prep_value(self, value: Any) -> Any:
        return stripped(super().get_prep_value(without_nul(value)))

    def is_storable(self, value: Any) -> bool:
        return super().is_storable(without_nul(value))


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


for _field in (AddressField, ExternalIdField):
    for _lookup in LOOKUPS:
        _field.register_lookup(_lookup)
