"""Files of companies or contacts: each line is a snapshot."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from django.core.exceptions import ValidationError

from conversion_sync.importing.tables.known import KnownOfLines
from conversion_sync.importing.tables.table import Table
from conversion_sync.importing.values import Values
from conversion_sync.models import Record
from conversion_sync.models.validators import name_clash
from conversion_sync.records.edit import Edit
from conversion_sync.records.mappers import mapper_of
from conversion_sync.records.snapshot import Snapshot
from conversion_sync.records.upsert import edited
from conversion_sync.records.wanted import Wanted

__all__ = ["RecordTable"]


class RecordTable(Table):
    """Files whose lines say something of records."""

    model: ClassVar[type[Record]]
    bag = "custom_variables"
    #: Names that no custom variable may have.
    common: ClassVar[tuple[str, ...]]

    @abstractmethod
    def snapshot(self, values: Values, known: KnownOfLines) -> Snapshot:
        """What a line says; None in it for a variable of the row that the line takes away."""

    def wanted(self, values: Values, known: KnownOfLines) -> Wanted:
        """What the row of a line is to say."""
        return Wanted(
            snapshot=self.snapshot(values, known), spelling=values.columns.get(self.key, "")
        )

    def edited(self, values: Values, known: KnownOfLines) -> Edit:
        return edited(mapper_of(self.model), self.wanted(values, known), known)

    def _variables(self, values: Values, known: KnownOfLines) -> dict[str, Any]:
        """The variables that a snapshot has of a line."""
        columns, row = mapper_of(self.model).columns, known.rows.get(values.key)
        said = {name: value for name, value in values.columns.items() if name in columns}
        gone = row.custom_variables.keys() - values.bag.keys() if row else ()
        return said | dict.fromkeys(gone) | values.bag

    def _clash(self, bag: dict[str, Any]) -> ValidationError | None:
        return name_clash(bag, self.common)
