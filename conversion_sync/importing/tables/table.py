"""A kind of file: its columns, and how a line fills a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _

from conversion_sync.importing.cells import read_cell
from conversion_sync.importing.drafts import Draft, Problem
from conversion_sync.importing.headers import Titles
from conversion_sync.importing.source import Line
from conversion_sync.importing.tables.columns import Columns, Reference
from conversion_sync.importing.tables.known import Known
from conversion_sync.models import SyncedModel
from conversion_sync.records.write import locked

__all__ = ["Table"]


class Table:
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

    def normal(self, text: str) -> str:
        """The one form in which keys of this kind are compared."""
        raise NotImplementedError

    def key_of(self, line: Line, columns: Columns) -> str:
        """The normal key of a line; "" where it has none."""
        return self.normal(line.cells[columns.known[self.key]])

    def look_up(self, using: str, lines: Sequence[Line], columns: Columns) -> Known:
        """Read and lock what these lines are about. Some queries, however many lines."""
        keys = {self.key_of(line, columns) for line in lines} - {""}
        known = Known(locked(self.model, using, keys, column=self.key_field), {})
        for name, reference in self.references.items():
            if title := columns.known.get(name):
                wanted = {reference.normal(line.cells[title]) for line in lines} - {""}
                others = reference.model.unmarked.using(using).filter(key__in=wanted)
                known.references |= dict(others.values_list("key", "pk"))
        return known

    def fill(self, line: Line, columns: Columns, known: Known, clear_blanks: bool) -> Draft:
        """The row that this line wants; its errors are for people."""
        key = self.key_of(line, columns)
        row = known.rows.get(key)
        draft = Draft(line=line, row=row or self.model(), is_new=row is None, key=key)
        draft.errors += [
            Problem(message, title, line.cells[title]) for title, message in line.unread.items()
        ]
        for name, title in columns.known.items():
            if name == self.bag or (name == self.key and not draft.is_new):
                continue
            if title in line.unread:
                continue
            clears = clear_blanks and title not in line.untouched
            try:
                self._fill_cell(draft, name, line.cells[title], known, clears)
            except ValidationError as error:
                draft.complain(title, error)
        if draft.is_new and not draft.errors:
            self._check_required(draft, columns)
        try:
            self._fill_bag(draft, columns, clear_blanks)
        except ValidationError as error:
            draft.complain(columns.known.get(self.bag, self.bag), error)
        return draft

    def _fill_cell(
        self, draft: Draft, name: str, text: str, known: Known, clear_blanks: bool
    ) -> None:
        reference = self.references.get(name)
        column: Any = self.model._meta.get_field(reference.field if reference else name)
        if not text:
            if clear_blanks and not draft.is_new:
                draft.assign(column.name, _cleared(column))
        elif reference:
            draft.assign(column.name, _referred(reference, text, known))
        else:
            draft.assign(column.name, read_cell(column, text))

    def _check_required(self, draft: Draft, columns: Columns) -> None:
        for title in (columns.known[name] for name in self.required):
            if not draft.line.cells[title]:
                draft.complain(title, ValidationError(_("this can't be blank")))

    def _fill_bag(self, draft: Draft, columns: Columns, clear_blanks: bool) -> None:
        cells, bag = draft.line.cells, dict(getattr(draft.row, self.bag))
        column: Any = self.model._meta.get_field(self.bag)
        if text := cells.get(columns.known.get(self.bag, ""), ""):
            bag = dict(read_cell(column, text))
        for name, value in columns.variables.items():
            if name in draft.line.unread:
                continue
            if text := cells[name]:
                bag[name] = self._variable(name, value(text))
            elif clear_blanks and name not in draft.line.untouched:
                bag.pop(name, None)
        if clash := self._clash(bag):
            raise clash
        draft.assign(self.bag, bag)

    def _variable(self, name: str, value: Any) -> Any:
        return value

    def _clash(self, bag: dict[str, Any]) -> ValidationError | None:
        return None


def _cleared(column: models.Field[Any, Any]) -> Any:
    if not column.blank:
        raise ValidationError(_("this can't be blank"))
    return None if column.null else column.get_default()


def _referred(reference: Reference, text: str, known: Known) -> int:
    try:
        return known.references[reference.normal(text)]
    except KeyError:
        raise ValidationError(
            _("there is no %(kind)s “%(key)s”: import it first")
            % {"kind": reference.model._meta.verbose_name, "key": text}
        ) from None
