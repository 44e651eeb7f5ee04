"""What maps the rows of a model, and the records of Conversion, to snapshots, and back.

It makes the calls of the API that are about such records, too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.core.exceptions import ValidationError

from conversion_sync.api import BatchResult
from conversion_sync.api.request import Request
from conversion_sync.models.record import Record
from conversion_sync.records.company_links import CompanyLinks
from conversion_sync.records.edit import Edit
from conversion_sync.records.snapshot import Snapshot

__all__ = ["Mapper", "filled"]


class Mapper(ABC):
    """Maps one model of records.

    Attributes:
        model: whose rows are mapped.
        columns: the variables that have a column of their own.
        not_its_own: what it says that is another row's, and not to be written into this one.
    """

    model: ClassVar[type[Record]]
    columns: ClassVar[Sequence[str]]
    not_its_own: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def of_row(self, row: Any) -> Snapshot:
        """What a row says; its blanks are left out."""

    @abstractmethod
    def check(self, row: Any) -> None:
        """See that the API can be told of a row.

        Raises:
            ValidationError: its key is none.
        """

    @abstractmethod
    def of_remote(self, remote: Any) -> Snapshot:
        """What Conversion has of a record; its blanks are left out."""

    @abstractmethod
    def record(self, snapshot: Snapshot) -> Any:
        """A snapshot as the calls of the API take it."""

    @abstractmethod
    def upsert(self, snapshots: Sequence[Snapshot]) -> Request[BatchResult]:
        """The call that creates or updates the records of these snapshots."""

    @abstractmethod
    def get(self, key: str) -> Request[Any]:
        """The call that reads the record of a key."""

    @abstractmethod
    def delete(self, key: str) -> Request[None]:
        """The call that deletes the record of a key."""

    @abstractmethod
    def fill(self, edit: Edit, snapshot: Snapshot, companies: CompanyLinks | None = None) -> None:
        """Have a row say what a snapshot says; what that leaves out, the row keeps.

        Args:
            companies: that a contact may be linked to.

        Raises:
            ValidationError: a value that the row can't have, by the names of the columns.
        """

    def _fill_variables(self, edit: Edit, variables: Mapping[str, Any]) -> None:
        bag, errors = dict(edit.row.custom_variables), dict[str, Any]()
        for name, value in variables.items():
            if name in self.columns:
                try:
                    self._fill_column(edit, name, value)
                except ValidationError as error:
                    error.update_error_dict(errors)
            elif value is None:
                # A blank that the row holds says the same.
                if bag.get(name) is not None:
                    del bag[name]
            else:
                bag[name] = value
        edit.assign("custom_variables", bag)
        if errors:
            raise ValidationError(errors)

    def _fill_column(self, edit: Edit, name: str, value: Any) -> None:
        """Set a column; None: to its blank.

        Raises:
            ValidationError: the value can't be that of the column, by its name.
        """
        column: Any = self.model._meta.get_field(name)
        try:
            edit.assign(name, column.get_default() if value is None else column.to_python(value))
        except ValidationError as error:
            raise ValidationError({name: error}) from error


def filled(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that are not blank."""
    return {name: value for name, value in values.items() if value not in (None, "")}
