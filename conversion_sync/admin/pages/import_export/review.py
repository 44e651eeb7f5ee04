"""What an import does, or would do: for the page, and for the message at its end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from conversion_sync.admin.badges import one_line
from conversion_sync.admin.pages.panel import value_in_words
from conversion_sync.api.canonical import same
from conversion_sync.importing import Change, Layout, Outcome, Report, Result
from conversion_sync.importing.inspection import Spoiled
from conversion_sync.importing.notices import of_file, of_withheld
from conversion_sync.status.numbers import grouped

__all__ = ["Difference", "Review", "ReviewedLine"]

#: So many lines of each sort are shown; all are counted.
LINES = 100

#: So many rows are written in some seconds.
LONG_FROM = 10_000

VALUE_LENGTH = 200

COUNTS = {
    Result.CREATED: gettext_lazy("%s new"),
    Result.UPDATED: gettext_lazy("%s changed"),
    Result.UNCHANGED: gettext_lazy("%s unchanged"),
    Result.BAD: gettext_lazy("%s bad"),
}


@dataclass(frozen=True)
class Difference:
    """A value of a row, before and after, for people."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class ReviewedLine:
    """A line of the file, in the table."""

    number: int
    key: str
    is_new: bool
    stays_unsubscribed: bool
    unknown_company: str
    differences: Sequence[Difference]


@dataclass
class Review:
    """The counts of all lines, the first of those that matter, and what is wrong."""

    model: type[Any]
    file_name: str
    layout: Layout
    report: Report = field(default_factory=Report)
    #: The bad lines as a file.
    rejected: bytes = b""
    bad: list[Outcome] = field(default_factory=list)
    good: list[Outcome] = field(default_factory=list)

    def hear(self, outcome: Outcome) -> None:
        """Keep the line if it is among the first of its sort."""
        is_notable = outcome.stays_unsubscribed or outcome.unknown_company
        if outcome.result is Result.BAD:
            kept = self.bad
        elif outcome.result is not Result.UNCHANGED or is_notable:
            kept = self.good
        else:
            return
        if len(kept) < LINES:
            kept.append(outcome)

    # What django-import-export asks of a result.

    def has_errors(self) -> bool:
        """Whether there is nothing that could be imported."""
        return not (self.writes or self.report.opt_outs_taken)

    def has_validation_errors(self) -> bool:
        """Bad lines do not hold up the others, once a person has said so."""
        return False

    # What the page asks.

    @property
    def problem(self) -> str:
        """Why the columns can't be used as they are read; "" if they can."""
        return self.layout.problem.reason if self.layout.problem else ""

    @property
    def notices(self) -> list[str]:
        """What a person should know of the file as a whole, and must not change."""
        return [*of_file(self.layout), *of_withheld(self.layout)]

    @property
    def spoiled(self) -> Sequence[Spoiled]:
        """The first cells that a spreadsheet has spoiled."""
        return self.layout.inspection.spoiled[:LINES]

    @property
    def more_spoiled(self) -> int:
        """The number of those that are not shown."""
        return self.layout.inspection.harms.total() - len(self.spoiled)

    @property
    def writes(self) -> int:
        """The number of rows that are new or changed."""
        return self.report.counts[Result.CREATED] + self.report.counts[Result.UPDATED]

    @property
    def is_empty(self) -> bool:
        """Whether nothing stands below the header."""
        return not self.report.counts.total()

    @property
    def takes_long(self) -> bool:
        """Whether a person will wonder what is going on."""
        return self.writes > LONG_FROM

    @property
    def bad_count(self) -> int:
        """The number of bad lines."""
        return self.report.counts[Result.BAD]

    @property
    def more_bad(self) -> int:
        """The number of bad lines that are not shown."""
        return self.bad_count - len(self.bad)

    @property
    def more_good(self) -> int:
        """The number of new and changed rows that are not shown."""
        return max(0, self.writes - len(self.good))

    def counts(self) -> list[str]:
        """How many lines came to what, in words."""
        numbers = self.report.counts
        words = [
            words % grouped(numbers[result])
            for result, words in COUNTS.items()
            if numbers[result] or result is not Result.BAD
        ]
        if stay := self.report.stay_unsubscribed:
            words.append(_("%s left unsubscribed") % grouped(stay))
        if taken := self.report.opt_outs_taken:
            number = grouped(taken)
            one, several = (
                "%s of the bad lines brings an opt-out, which is entered",
                "%s of the bad lines bring opt-outs, which are entered",
            )
            words.append(ngettext(one, several, taken) % number)
        return words

    def complaints(self, most: int) -> str:
        """What is wrong with the first bad lines."""
        lines = (_("line %d: ") % line.number + line.message for line in self.bad[:most])
        words = [one_line(line, VALUE_LENGTH).removesuffix(".") for line in lines]
        if self.bad_count > most:
            words.append(_("and %s more") % grouped(self.bad_count - most))
        return "; ".join(words) + "."

    def lines(self) -> list[ReviewedLine]:
        """The first lines that are not as the rows are."""
        return [
            ReviewedLine(
                line.number,
                one_line(line.key, VALUE_LENGTH),
                line.result is Result.CREATED,
                line.stays_unsubscribed,
                one_line(line.unknown_company, VALUE_LENGTH),
                list(self._differences(line)),
            )
            for line in self.good
        ]

    def _differences(self, line: Outcome) -> Iterator[Difference]:
        for change in line.changes:
            # The key has a column of its own.
            if change.name != self.model.KEY:
                yield from self._of_column(change)

    def _of_column(self, change: Change) -> Iterator[Difference]:
        column = self.model._meta.get_field(change.name)
        before, after = change.before, change.after
        if isinstance(after, dict):
            yield from _of_variables(before, after)
            return
        if model := column.related_model:
            before, after = (self._related.get((model, pk)) for pk in (before, after))
        elif column.choices:
            names = dict(column.flatchoices)
            before, after = names.get(before, before), names.get(after, after)
        yield Difference(capfirst(column.verbose_name), _text(before), _text(after))

    @cached_property
    def _related(self) -> dict[Any, str]:
        """The names of the rows that the shown lines point to, by model and primary key."""
        wanted = defaultdict[Any, set[Any]](set)
        for change in (change for line in self.good for change in line.changes):
            if model := self.model._meta.get_field(change.name).related_model:
                wanted[model] |= {change.before, change.after} - {None}
        return {
            (model, pk): str(row)
            for model, pks in wanted.items()
            for pk, row in model._base_manager.in_bulk(pks).items()
        }


def _of_variables(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        if not same(old, new):
            yield Difference(one_line(name, VALUE_LENGTH), value_in_words(old), value_in_words(new))


def _text(value: Any) -> str:
    return "" if value is None else one_line(str(value), VALUE_LENGTH)
