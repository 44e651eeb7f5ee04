"""What staff read in the place of the name that a field has in Conversion."""

from __future__ import annotations

from django.utils.text import capfirst

from conversion_sync.admin.badges import one_line
from conversion_sync.models import Contact
from conversion_sync.models.record import Record
from conversion_sync.records.company_links import NAME
from conversion_sync.records.mappers import mapper_of
from conversion_sync.records.snapshot import BASE_DOMAIN, REFERENCE

__all__ = ["field_name"]

NAME_LENGTH = 100


def field_name(model: type[Record], name: str) -> str:
    """The label that a field has in the form; a custom variable is called as it is."""
    if name == NAME and issubclass(model, Contact):
        return capfirst(str(Contact._meta.get_field("company").verbose_name))
    if name in {BASE_DOMAIN, REFERENCE, *mapper_of(model).columns}:
        for field in model._meta.fields:
            if field.name == name:
                return capfirst(str(field.verbose_name))
    return one_line(name, NAME_LENGTH)
