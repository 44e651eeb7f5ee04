"""The three kinds of files: their columns, and how a line fills a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _

from conversion_sync.api.keys import normal_email, normal_id
from conversion_sync.importing.cells import read_cell
from conversion_sync.importing.drafts import Draft, Problem
from conversion_sync.importing.headers import COMPANIES, CONTACTS, ENGAGEMENTS, OPT_OUT, Titles
from conversion_sync.importing.source import Line
from conversion_sync.models import (
    Company,
    Contact,
    Engagement,
    Subscription,
    SyncedModel,
)
from conversion_sync.models.validators import name_clash
from conversion_sync.records.upsert import opted_out
from conversion_sync.records.write import locked

__all__ = ["TABLES", "Columns", "Known", "Table"]


@dataclass(frozen=True, slots=True)
class Reference:
    """A column that names a row of another model by its key."""

    field: str
    model: type[Company] | type[Contact]
    normal: Callable[[str], str]


@dataclass(frozen=True)
class Columns:
    """The columns of one file: the title of each known one, and the variables.

    ``variables``: for each title, what makes a value of the text of a cell.
    """

    known: Mapping[str, str]
    variables: Mapping[str, Callable[[str], Any]]


@dataclass(slots=True)
class Known:
    """What the database knows of the keys of some lines; the rows are locked."""

    rows: dict[str, Any]
    references: dict[str, int]
    opted_out: frozenset[str] = frozenset()
    #: Who opts out in the same file, on whichever line.
    opting_out: frozenset[str] = frozenset()
    #: Companies by their name, where only one has it.
    companies: Mapping[str, int] = field(default_factory=dict)


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


class Companies(Table):
    """Companies, by the site's own id."""

    model = Company
    key = "external_id"
    required = ("external_id",)
    fields = ("external_id", "base_domain", *Company.COMMON)
    aliases: ClassVar[Mapping[str, str]] = {"id": "external_id"}
    titles = COMPANIES
    bag = "custom_variables"

    def normal(self, text: str) -> str:
        return normal_id(text)

    def _clash(self, bag: dict[str, Any]) -> ValidationError | None:
        return name_clash(bag, Company.COMMON)


class Contacts(Table):
    """Contacts, by their email."""

    model = Contact
    key = "email"
    required = ("email",)
    fields = (
        "email",
        *(name for name in Contact.COMMON if name != "company_name"),
        "external_contact",
        "subscription_status",
    )
    titles = CONTACTS
    # A contact's company name is that of its company, which it may name.
    others = (OPT_OUT, "company_name")
    references: ClassVar[Mapping[str, Reference]] = {
        "company_id": Reference("company", Company, normal_id)
    }
    bag = "custom_variables"

    def normal(self, text: str) -> str:
        return normal_email(text)

    def look_up(self, using: str, lines: Sequence[Line], columns: Columns) -> Known:
        known = super().look_up(using, lines, columns)
        if title := columns.known.get("subscription_status"):
            keys = [self.key_of(line, columns) for line in lines if line.cells[title]]
            pks = {key: row.pk for key, row in known.rows.items()}
            known.opted_out = opted_out(using, [(pks.get(key), key) for key in keys])
        if title := columns.known.get("company_name"):
            known.companies = _by_name(using, {line.cells[title] for line in lines} - {""})
        return known

    def _fill_cell(
        self, draft: Draft, name: str, text: str, known: Known, clear_blanks: bool
    ) -> None:
        if name == "subscription_status":
            if text or draft.key in known.opting_out:
                self._fill_subscription(draft, text, known)
        elif name == "company_name":
            if company := known.companies.get(text):
                draft.assign("company", company)
        else:
            super()._fill_cell(draft, name, text, known, clear_blanks)

    def _fill_subscription(self, draft: Draft, text: str, known: Known) -> None:
        """Take the status over, unless that would lift an opt-out. A blank one says nothing."""
        column, opts_out = (
            Contact._meta.get_field("subscription_status"),
            draft.key in known.opting_out,
        )
        status = read_cell(column, text) if text else Subscription.UNSUBSCRIBED.value
        draft.subscribe(status, opted_out=draft.key in known.opted_out, opts_out=opts_out)

    def _clash(self, bag: dict[str, Any]) -> ValidationError | None:
        return name_clash(bag, Contact.COMMON)


def _by_name(using: str, names: Collection[str]) -> dict[str, int]:
    """The companies of these names, without those that share theirs with another."""
    rows = Company.unmarked.using(using).filter(company_name__in=names)
    found = list(rows.values_list("company_name", "pk"))
    counts = Counter(name for name, _pk in found)
    return {name: pk for name, pk in found if counts[name] == 1}


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

    def _variable(self, name: str, value: Any) -> Any:
        if name == "tags":
            return [tag for part in str(value).split(",") if (tag := part.strip())]
        return value


TABLES: Mapping[str, Table] = {
    "companies": Companies(),
    "contacts": Contacts(),
    "engagements": Engagements(),
}
