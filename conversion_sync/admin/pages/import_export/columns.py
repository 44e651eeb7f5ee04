"""How the columns of a file are read, as a table in which staff choose otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from conversion_sync.admin.badges import one_line
from conversion_sync.importing import TABLES, Layout
from conversion_sync.importing.choices import SKIP, VARIABLE, Choice, offered
from conversion_sync.importing.columns import Column
from conversion_sync.importing.headers import OPT_OUT
from conversion_sync.importing.reading.readings import BOOLEAN, NUMBER, TEXT

__all__ = ["ColumnRow", "column_rows", "options"]

LENGTH = 60

#: Django takes a thousand values of a form (DATA_UPLOAD_MAX_NUMBER_FIELDS).
ROWS = 900

_VARIABLES = {
    "": gettext_lazy("Variable, by its cells"),
    "text": gettext_lazy("Variable, text"),
    "number": gettext_lazy("Variable, number"),
    "decimal-point": gettext_lazy("Variable, number as 1,234.56"),
    "decimal-comma": gettext_lazy("Variable, number as 1.234,56"),
    "boolean": gettext_lazy("Variable, true or false"),
    "date": gettext_lazy("Variable, date"),
    "day-first": gettext_lazy("Variable, date, day first"),
    "month-first": gettext_lazy("Variable, date, month first"),
}
_FIELDS = {
    "text": gettext_lazy("as it stands"),
    "decimal-point": gettext_lazy("as 1,234.56"),
    "decimal-comma": gettext_lazy("as 1.234,56"),
    "day-first": gettext_lazy("day first"),
    "month-first": gettext_lazy("month first"),
}
_NAMES = {
    OPT_OUT: gettext_lazy("Opted out, yes or no"),
    "company_id": gettext_lazy("Company, by its id"),
}
_READ = {
    TEXT: gettext_lazy("It is read as text."),
    NUMBER: gettext_lazy("It is read as numbers."),
    BOOLEAN: gettext_lazy("It is read as true or false."),
}

Options = Sequence[tuple[str, Sequence[tuple[str, str]]]]


@dataclass(frozen=True)
class ColumnRow:
    """A column, in the table."""

    place: int
    title: str
    examples: Sequence[str]
    value: str
    is_withheld: bool
    notes: Sequence[str]


def options(kind: str) -> Options:
    """What a column may become, in groups: the value of each, and its name."""
    fields, variables, others = [], [], []
    for choice in offered(TABLES[kind].targets()):
        if choice.target == SKIP:
            others.append((str(choice), _("Leave out")))
        elif choice.target == VARIABLE:
            variables.append((str(choice), str(_VARIABLES[choice.way])))
        else:
            fields.append((str(choice), _field_name(kind, choice)))
    return [(_("Field"), fields), (_("Custom variable"), variables), (_("Nothing"), others)]


def _field_name(kind: str, choice: Choice) -> str:
    table, name = TABLES[kind], choice.target
    if name == "company_name" and name in table.others:
        words = _("Company, by its name")
    elif name in _NAMES:
        words = str(_NAMES[name])
    else:
        field: Any = table.model._meta.get_field(name)
        words = capfirst(field.verbose_name)
    return f"{words}, {_FIELDS[choice.way]}" if choice.way else words


def column_rows(layout: Layout) -> list[ColumnRow]:
    """The first columns of a file, without those that are not there but for a comma."""
    columns = [column for column in layout.columns if not column.is_empty]
    return [
        ColumnRow(
            column.place,
            column.title,
            [one_line(text, LENGTH) for text in column.examples],
            str(column.choice),
            column.is_withheld,
            list(_notes(column, layout)),
        )
        for column in columns[:ROWS]
    ]


def _notes(column: Column, layout: Layout) -> Iterator[str]:
    if column.is_unnamed:
        yield _("It has no name in the file.")
    if column.why:
        yield _("Left out: %(why)s.") % {"why": column.why}
    if column.choice == Choice(VARIABLE) and column.examples:
        yield str(_READ[column.reading.way])
    if column.reading.note:
        yield one_line(column.reading.note, 3 * LENGTH)
    harms = layout.inspection.harms.items()
    if count := sum(count for (title, _harm), count in harms if title == column.title):
        words = ngettext("%(count)d spoiled cell.", "%(count)d spoiled cells.", count)
        yield words % {"count": count}
