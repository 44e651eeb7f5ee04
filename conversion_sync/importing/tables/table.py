"""A kind of file: its columns, and what its lines say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from conversion_sync.importing.cells import read_cell
from conversion_sync.importing.headers import Titles
from conversion_sync.importing.problem import Problem
from conversion_sync.importing.source import Line
from conversion_sync.importing.tables.columns import Columns, Reference
from conversion_sync.importing.tables.known import KnownOfLines
from conversion_sync.importing.values import Values
from conversion_sync.models import SyncedModel
from conversion_sync.records.edit import Edit
from conversion_sync.records.write import locked

__all__ = ["Table"]


class Table(ABC):
    """One kind of file."""

    model: ClassVar[type[SyncedModel]]
    #: The column that says which row a line is about, and where the model keeps its normal form.
    key: ClassVar[str]
    key_field: ClassVar[str] = "key"
    #: What the file must have, and a new row must fill.
    required: ClassVar[tuple[str, ...]]
    #: The columns that are fields of the model, and what people call some of them.
    fields: ClassVar[tuple[str, ...]]
    aliases: ClassVar[Mapping[str, str]] = {}
    #: The titles by which its columns are known, and those that are no fields of a row.
    titles: ClassVar[Titles]
    others: ClassVar[tuple[str, ...]] = ()
    references: ClassVar[Mapping[str, Reference]] = {}
    #: The columns in which a blank cell says nothing, even where blanks clear.
    never_cleared: ClassVar[frozenset[str]] = frozenset()
    #: The JSON field that takes the columns that nobody knows.
    bag: ClassVar[str]

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The known columns."""
        return (*cls.fields, *cls.references, cls.bag)

    def paths(self) -> dict[str, str]:
        """Where a query finds each of the known columns."""
        of = {name: f"{ref.field}__{ref.model.KEY}" for name, ref in self.references.items()}
        return {name: of.get(name, name) for name in self.names()}

    @classmethod
    def targets(cls) -> tuple[str, ...]:
        """What a column of a file may be read as."""
        return tuple(name for name in cls.titles.words if name in (*cls.names(), *cls.others))

    @abstractmethod
    def normal(self, text: str) -> str:
        """The one form in which keys of this kind are compared."""

    def key_of(self, line: Line, columns: Columns) -> str:
        """The normal key of a line; "" where it has none."""
        return self.normal(line.cells[columns.known[self.key]])

    def look_up(self, using: str, lines: Sequence[Line], columns: Columns) -> KnownOfLines:
        """Read and lock what these lines are about. Some queries, however many lines."""
        keys = {self.key_of(line, columns) for line in lines} - {""}
        found = dict[str, int]()
        for name, reference in self.references.items():
            if title := columns.known.get(name):
                wanted = {reference.normal(line.cells[title]) for line in lines} - {""}
                others = reference.model.unmarked.using(using).filter(key__in=wanted)
                found |= dict(others.values_list("key", "pk"))
        rows = locked(self.model, using, keys, column=self.key_field)
        return KnownOfLines(rows=rows, references=found)

    def read(self, line: Line, columns: Columns, known: KnownOfLines, clear_blanks: bool) -> Values:
        """What a line says of its row; what is wrong with it is for people."""
        values = Values(line, self.key_of(line, columns))
        is_new = values.key not in known.rows
        values.problems += [
            Problem(message, title, line.cells[title]) for title, message in line.unread.items()
        ]
        for name, title in columns.known.items():
            if name == self.bag or title in line.unread or (name == self.key and not is_new):
                continue
            try:
                if text := line.cells[title]:
                    values.columns[name] = self._read_cell(name, text, known)
                elif clear_blanks and not is_new and title not in line.untouched:
                    self._clear(values, name)
            except ValidationError as error:
                values.complain(title, error)
        if is_new and not values.problems:
            self._check_required(values, columns)
        try:
            values.bag = self._read_bag(values, columns, known, clear_blanks)
        except ValidationError as error:
            values.complain(columns.known.get(self.bag, self.bag), error)
        return values

    @abstractmethod
    def edited(self, values: Values, known: KnownOfLines) -> Edit:
        """The row of a line as it is to be; nothing is wrong with what the line says."""

    def may_change(self, row: Any) -> bool:
        """Whether a row that is there already may still be changed."""
        return True

    def _read_cell(self, name: str, text: str, known: KnownOfLines) -> Any:
        if reference := self.references.get(name):
            return _referred(reference, text, known)
        return read_cell(self._column(name), text)

    def _clear(self, values: Values, name: str) -> None:
        if name in self.never_cleared:
            return
        reference = self.references.get(name)
        if not self._column(reference.field if reference else name).blank:
            raise ValidationError(_("this can't be blank"))
        values.columns[name] = None

    def _column(self, name: str) -> Any:
        return self.model._meta.get_field(name)

    def _check_required(self, values: Values, columns: Columns) -> None:
        for title in (columns.known[name] for name in self.required):
            if not values.line.cells[title]:
                values.complain(title, ValidationError(_("this can't be blank")))

    def _read_bag(
        self, values: Values, columns: Columns, known: KnownOfLines, clear_blanks: bool
    ) -> dict[str, Any]:
        line, row = values.line, known.rows.get(values.key)
        bag = dict(getattr(row, self.bag)) if row else {}
        if text := line.cells.get(columns.known.get(self.bag, ""), ""):
            bag = dict(read_cell(self._column(self.bag), text))
        for name, value in columns.variables.items():
            if name in line.unread:
                continue
            if text := line.cells[name]:
                bag[name] = self._variable(name, value(text))
            elif clear_blanks and name not in line.untouched:
                bag.pop(name, None)
        if clash := self._clash(bag):
            raise clash
        return bag

    def _variable(self, name: str, value: Any) -> Any:
        return value

    def _clash(self, bag: dict[str, Any]) -> ValidationError | None:
        return None


def _referred(reference: Reference, text: str, known: KnownOfLines) -> str:
    """The key by which a cell names a row of another model, which is there."""
    key = reference.normal(text)
    if key not in known.references:
        words = _("there is no %(kind)s “%(key)s”: import it first")
        kind = reference.model._meta.verbose_name
        raise ValidationError(words % {"kind": kind, "key": text})
    return key
