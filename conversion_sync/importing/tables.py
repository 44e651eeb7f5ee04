"""The three kinds of files: their columns, and how a line fills a row."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from conversion_sync.api.wire import normal_email, normal_id
from conversion_sync.importing.cells import as_variable, read_cell
from conversion_sync.importing.drafts import Draft
from conversion_sync.importing.source import Line, UnusableFile
from conversion_sync.models import (
    Company,
    Contact,
    Engagement,
    Subscription,
    SubscriptionChange,
    SyncedModel,
)
from conversion_sync.models.company import clashing

__all__ = ["TABLES", "Columns", "Known", "Table"]


@dataclass(frozen=True, slots=True)
class Reference:
    """A column that names a row of another model by its key."""

    field: str
    model: type[Company] | type[Contact]
    normal: Callable[[str], str]


@dataclass(frozen=True)
class Columns:
    """The columns of one file: which header holds which known column, and the others."""

    known: Mapping[str, str]
    variables: Sequence[str]
    left_out: Sequence[str]
    withheld: Sequence[str]


@dataclass(slots=True)
class Known:
    """What the database knows of the keys of some lines; the rows are locked."""

    rows: dict[str, Any]
    references: dict[str, int]
    opted_out: frozenset[str] = frozenset()


class Table:
    """One kind of file."""

    model: ClassVar[type[SyncedModel]]
    #: The column that says which row a line is about, and where the model keeps its normal form.
    key: ClassVar[str]
    key_field: ClassVar[str] = "key"
    #: What the file must have, and a new row must fill.
    required: ClassVar[tuple[str, ...]]
    #: The columns that are fields of the model, and other names of them.
    fields: ClassVar[tuple[str, ...]]
    aliases: ClassVar[Mapping[str, str]] = {}
    #: Columns that have no meaning here, and are no custom variables either.
    ignored: ClassVar[tuple[str, ...]] = ()
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

    def columns(self, header: Sequence[str], withheld: Collection[str] = ()) -> Columns:
        """Sort the columns of a file.

        Args:
            withheld: known columns that are left alone, whatever the file says.

        Raises:
            UnusableFile: a required column is missing, or one is there twice.
        """
        known, variables = dict[str, str](), list[str]()
        left_out, refused = list[str](), list[str]()
        for title in header:
            name = title.lower().replace(" ", "_").replace("-", "_")
            name = self.aliases.get(name, name)
            if name in known:
                raise UnusableFile(
                    _("the columns “%(one)s” and “%(other)s” mean the same")
                    % {"one": known[name], "other": title}
                )
            if name in withheld:
                refused.append(title)
            elif name in self.names():
                known[name] = title
            elif name in self.ignored:
                left_out.append(title)
            else:
                variables.append(title)
        self._check_complete(known)
        return Columns(known, variables, left_out, refused)

    def _check_complete(self, known: Mapping[str, str]) -> None:
        titles = {name: title for title, name in self.aliases.items()}
        missing = [titles.get(name, name) for name in self.required if name not in known]
        if not missing:
            return
        reason = _("the column “%(name)s” is missing") % {"name": missing[0]}
        if len(missing) > 1:
            named = get_text_list([f"“{name}”" for name in missing], _("and"))
            reason = _("the columns %(names)s are missing") % {"names": named}
        raise UnusableFile(reason)

    def normal(self, text: str) -> str:
        """The one form in which keys of this kind are compared."""
        raise NotImplementedError

    def key_of(self, line: Line, columns: Columns) -> str:
        """The normal key of a line; "" where it has none."""
        return self.normal(line.cells[columns.known[self.key]])

    def look_up(self, using: str, lines: Sequence[Line], columns: Columns) -> Known:
        """Read and lock what these lines are about. Some queries, however many lines."""
        keys = {self.key_of(line, columns) for line in lines} - {""}
        rows = self.model._default_manager.using(using).filter(**{f"{self.key_field}__in": keys})
        locked = rows.order_by("pk").select_for_update()
        known = Known({getattr(row, self.key_field): row for row in locked}, {})
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
        draft = Draft(line, row or self.model(), is_new=row is None)
        for name, title in columns.known.items():
            if name == self.bag or (name == self.key and not draft.is_new):
                continue
            try:
                self._fill_cell(draft, name, line.cells[title], known, clear_blanks)
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
        for name in columns.variables:
            if text := cells[name]:
                bag[name] = self._variable(name, text)
            elif clear_blanks:
                bag.pop(name, None)
        if clash := self._clash(bag):
            raise clash
        draft.assign(self.bag, bag)

    def _variable(self, name: str, text: str) -> Any:
        return as_variable(text)

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
    bag = "custom_variables"

    def normal(self, text: str) -> str:
        return normal_id(text)

    def _clash(self, bag: dict[str, Any]) -> ValidationError | None:
        return clashing(bag, Company.COMMON)


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
    # A contact's company name is that of its company.
    ignored = ("company_name",)
    references: ClassVar[Mapping[str, Reference]] = {
        "company_id": Reference("company", Company, normal_id)
    }
    bag = "custom_variables"

    def normal(self, text: str) -> str:
        return normal_email(text)

    def look_up(self, using: str, lines: Sequence[Line], columns: Columns) -> Known:
        known = super().look_up(using, lines, columns)
        if title := columns.known.get("subscription_status"):
            subscribing = [line for line in lines if _lifts(line.cells[title])]
            keys = [self.key_of(line, columns) for line in subscribing]
            known.opted_out = _opted_out(using, known.rows, keys)
        return known

    def _fill_cell(
        self, draft: Draft, name: str, text: str, known: Known, clear_blanks: bool
    ) -> None:
        if name != "subscription_status":
            super()._fill_cell(draft, name, text, known, clear_blanks)
        elif text:
            self._fill_subscription(draft, text, known)

    def _fill_subscription(self, draft: Draft, text: str, known: Known) -> None:
        """Take the status over, unless that would lift an opt-out. A blank one says nothing."""
        row = draft.row
        status = read_cell(Contact._meta.get_field("subscription_status"), text)
        key = self.normal(row.email)
        opted_out = row.subscription_status == Subscription.UNSUBSCRIBED or key in known.opted_out
        if status != Subscription.UNSUBSCRIBED and opted_out:
            draft.stays_unsubscribed = True
            if draft.is_new:
                draft.assign("subscription_status", Subscription.UNSUBSCRIBED.value)
        else:
            draft.assign("subscription_status", status)

    def _clash(self, bag: dict[str, Any]) -> ValidationError | None:
        return clashing(bag, Contact.COMMON)


def _lifts(status: str) -> bool:
    return bool(status) and status.upper() != Subscription.UNSUBSCRIBED


def _opted_out(using: str, rows: Mapping[str, Any], keys: Iterable[str]) -> frozenset[str]:
    people = [(rows[key].pk if key in rows else None, key) for key in keys]
    if not people:
        return frozenset()
    standing = SubscriptionChange.standing_opt_outs(using, people)
    return frozenset(
        key for (_pk, key), change in zip(people, standing, strict=True) if change is not None
    )


class Engagements(Table):
    """Engagements, by what they are known by where they come from."""

    model = Engagement
    key = key_field = "source_key"
    required = ("source_key", "contact_email", "name", "description")
    fields = ("source_key", "name", "description", "occurred_at")
    references: ClassVar[Mapping[str, Reference]] = {
        "contact_email": Reference("contact", Contact, normal_email)
    }
    bag = "data"

    def normal(self, text: str) -> str:
        return text.strip()

    def _variable(self, name: str, text: str) -> Any:
        if name == "tags":
            return [tag for part in text.split(",") if (tag := part.strip())]
        return as_variable(text)


TABLES: Mapping[str, Table] = {
    "companies": Companies(),
    "contacts": Contacts(),
    "engagements": Engagements(),
}
