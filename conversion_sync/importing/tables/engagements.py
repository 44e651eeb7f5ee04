"""Files of engagements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from conversion_sync.api.keys import normal_email
from conversion_sync.importing.headers import ENGAGEMENTS
from conversion_sync.importing.tables.columns import Reference
from conversion_sync.importing.tables.known import KnownOfLines
from conversion_sync.importing.tables.table import Table
from conversion_sync.importing.values import Values
from conversion_sync.models import Contact, Engagement
from conversion_sync.records.edit import Edit

__all__ = ["Engagements"]


class Engagements(Table):
    """Engagements, by what they are known by where they come from."""

    model = Engagement
    key = key_field = "source_key"
    required = ("source_key", "contact_email", "name", "description")
    fields = ("source_key", "name", "description", "occurred_at")
    titles = ENGAGEMENTS
    references: ClassVar[Mapping[str, Reference]] = {
        "contact_email": Reference("contact", Contact, normal_email)
    }
    bag = "data"

    def normal(self, text: str) -> str:
        return text.strip()

    def edited(self, values: Values, known: KnownOfLines) -> Edit:
        row = known.rows.get(values.key)
        edit = Edit(row=row or Engagement(), is_new=row is None, key=values.key)
        for name, value in values.columns.items():
            if reference := self.references.get(name):
                edit.assign(reference.field, known.references[value])
            else:
                edit.assign(name, value)
        edit.assign(self.bag, values.bag)
        return edit

    def may_change(self, row: Engagement) -> bool:
        return row.is_editable

    def _variable(self, name: str, value: Any) -> Any:
        if name == "tags":
            return [tag for part in str(value).split(",") if (tag := part.strip())]
        return value
