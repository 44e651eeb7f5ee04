"""What a person should know of how a file is read, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from conversion_sync.importing.choices import SKIP, VARIABLE
from conversion_sync.importing.columns import Column
from conversion_sync.importing.headers import squeezed
from conversion_sync.importing.inspection import Inspection
from conversion_sync.importing.layout import Layout
from conversion_sync.importing.reading.readings import BOOLEAN, NUMBER

__all__ = ["notices", "of_columns", "of_file", "of_spoiled", "of_withheld"]

#: Titles and cells are cut to so many characters.
LENGTH = 60

#: So many spoiled cells are named.
NAMED = 20


def notices(layout: Layout) -> list[str]:
    """All of it."""
    columns = [*of_columns(layout), *of_withheld(layout)]
    return [*of_file(layout), *columns, *of_spoiled(layout.inspection)]


def of_file(layout: Layout) -> list[str]:
    """How the file is read as a whole."""
    words = list(layout.source.notices)
    if layout.passed_over:
        words.append(
            ngettext(
                "What stands above the header (line %(line)d) is passed over: %(count)d line.",
                "What stands above the header (line %(line)d) is passed over: %(count)d lines.",
                layout.passed_over,
            )
            % {"line": layout.first_line, "count": layout.passed_over}
        )
    if count := layout.inspection.padded:
        words.append(
            ngettext(
                "%(count)d line has fewer cells than the header (line %(line)d): what is missing "
                "is left as it is.",
                "%(count)d lines have fewer cells than the header (the first is line %(line)d): "
                "what is missing is left as it is.",
                count,
            )
            % {"count": count, "line": layout.inspection.first_padded}
        )
    return words


def of_columns(layout: Layout) -> Iterator[str]:
    """What the columns become, where that is not as their titles say."""
    columns = [column for column in layout.columns if not column.is_empty]
    yield from _of_known([c for c in columns if c.choice.target not in (VARIABLE, SKIP)], layout)
    yield from _of_variables([c for c in columns if c.choice.target == VARIABLE], layout.bag)
    for column in columns:
        title = _cut(column.title)
        if column.is_unnamed and column.choice.target != SKIP:
            words = _("Column %(place)d has no name, so it is called “%(title)s”.")
            yield words % {"place": column.place + 1, "title": title}
        if column.why and not column.is_withheld:
            words = _("The column “%(name)s” is left out: %(why)s.")
            yield words % {"name": title, "why": column.why}
        if column.reading.note:
            yield f"“{title}”: {column.reading.note}"


def of_withheld(layout: Layout) -> Iterator[str]:
    """The columns that are left alone because whoever brings the file may not change them."""
    for column in layout.columns:
        if column.is_withheld:
            words = _("The column “%(name)s” is left alone: %(why)s.")
            yield words % {"name": _cut(column.title), "why": column.why}


def _of_known(columns: Sequence[Column], layout: Layout) -> Iterator[str]:
    aliases = layout.table.aliases
    names = [(column, aliases.get(column.title, column.title)) for column in columns]
    renamed = [c for c, name in names if squeezed(name) != squeezed(c.choice.target)]
    pair = _("“%(title)s” as %(name)s")
    pairs = [pair % {"title": _cut(c.title), "name": c.choice.target} for c in renamed]
    if pairs:
        yield _("Read: %(pairs)s.") % {"pairs": get_text_list(pairs, _("and"))}
    for column in columns:
        if column.choice.target == "company_name" and "company_name" in layout.table.others:
            words = _("“%(title)s”: the company of that name, where there is exactly one.")
            yield words % {"title": _cut(column.title)}


def _of_variables(columns: Sequence[Column], bag: str) -> Iterator[str]:
    columns = [column for column in columns if column.examples]
    if columns:
        words = _("Not a known column, so kept in “%(bag)s”: %(names)s.")
        yield words % {"bag": bag, "names": _names(columns)}
    for way, words in (
        (NUMBER, _("Read as numbers: %(names)s.")),
        (BOOLEAN, _("Read as true or false: %(names)s.")),
    ):
        if some := [column for column in columns if column.reading.way == way]:
            yield words % {"names": _names(some)}


def _names(columns: Iterable[Column]) -> str:
    return get_text_list([f"“{_cut(column.title)}”" for column in columns], _("and"))


def of_spoiled(inspection: Inspection) -> Iterator[str]:
    """The first cells that a spreadsheet has spoiled, and how many more there are."""
    for one in inspection.spoiled[:NAMED]:
        words = _("Line %(line)d, “%(title)s”: “%(text)s” is spoiled: %(harm)s. %(fate)s")
        yield words % {
            "line": one.line,
            "title": _cut(one.title),
            "text": _cut(one.text),
            "harm": one.harm.value,
            "fate": one.fate.value,
        }
    more = inspection.harms.total() - min(NAMED, len(inspection.spoiled))
    if more:
        single, several = "%(count)d more cell is spoiled.", "%(count)d more cells are spoiled."
        yield ngettext(single, several, more) % {"count": more}


def _cut(text: str) -> str:
    return text if len(text) <= LENGTH else f"{text[: LENGTH - 1]}…"
