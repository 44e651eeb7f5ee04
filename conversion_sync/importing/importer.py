"""The import of a file: in chunks, one transaction each, one outcome a line."""

from __future__ import annotations

import enum
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO

from django.db import DataError, IntegrityError, transaction
from django.utils import timezone
from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from conversion_sync.importing.drafts import Change, Draft, Problem
from conversion_sync.importing.source import BadLine, Line, Source
from conversion_sync.importing.tables import TABLES, Known
from conversion_sync.models import Engagement, attributed

__all__ = ["Importer", "Outcome", "Report", "Result"]

CHUNK = 500


class Result(enum.StrEnum):
    """What became of a line."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    #: It differs from an engagement that was sent already; nothing was changed.
    DIFFERS = "differs"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the line that begins at ``number``, and is about the row of this key.

    ``stays_unsubscribed``: the line would have lifted an opt-out; all else of it was taken.
    """

    number: int
    result: Result
    problems: Sequence[Problem] = ()
    stays_unsubscribed: bool = False
    key: str = ""
    changes: Sequence[Change] = ()

    @property
    def message(self) -> str:
        """What is wrong with the line, for people."""
        return "; ".join(map(str, self.problems))


@dataclass(slots=True)
class Report:
    """What became of all lines."""

    counts: Counter[Result] = field(default_factory=Counter)
    stay_unsubscribed: int = 0
    rolled_back: bool = False

    def add(self, outcome: Outcome) -> None:
        """Count a line."""
        self.counts[outcome.result] += 1
        self.stay_unsubscribed += outcome.stays_unsubscribed


class Importer:
    """Imports one file. Imported again, it updates, and leaves alone what is as the file says.

    Args:
        kind: a name of ``TABLES``.
        file: opened in binary, and seekable.
        requested_by: who answers for it, for the consent log.
        clear_blanks: a blank cell clears the value; else it leaves it as it is. An
            engagement, its contact and a subscription are never cleared.
        withheld: known columns that whoever asks for it may not change: they are left alone.
        dry_run: say what would become of each line, and write nothing.

    Raises:
        UnusableFile: no line of it can be read.
    """

    def __init__(
        self,
        kind: str,
        file: BinaryIO,
        *,
        using: str = "default",
        requested_by: str = "",
        clear_blanks: bool = False,
        withheld: Collection[str] = (),
        dry_run: bool = False,
    ) -> None:
        self._table = TABLES[kind]
        self._source = Source(file)
        self._columns = self._table.columns(self._source.header, withheld)
        self._using = using
        self._requested_by = requested_by
        self._clear_blanks = clear_blanks
        self._dry_run = dry_run
        self._line_of = dict[str, int]()

    @property
    def total(self) -> int:
        """The lines of the file, for a progress bar."""
        return self._source.total

    @property
    def notices(self) -> list[str]:
        """What a person should know of the columns of the file."""
        notices, columns = list[str](), self._columns
        if columns.variables:
            names = get_text_list([f"“{name}”" for name in columns.variables], _("and"))
            notices.append(
                _("Not a known column, so kept in “%(bag)s”: %(names)s.")
                % {
                    "bag": self._table.model._meta.get_field(self._table.bag).verbose_name,  # type: ignore[union-attr]  # a column
                    "names": names,
                }
            )
        notices += [
            _("The column “%(name)s” is left out: the company (company_id) gives it.")
            % {"name": name}
            for name in columns.left_out
        ]
        notices += [
            _("The column “%(name)s” is left alone: you may not change it.") % {"name": name}
            for name in columns.withheld
        ]
        return notices

    def run(self, heard: Callable[[Outcome], None], *, strict: bool = False) -> Report:
        """Import the file, and tell ``heard`` what became of each line.

        Args:
            strict: one bad line, and nothing goes in.
        """
        report = Report()
        with transaction.atomic(using=self._using) if strict else nullcontext():
            for outcome in self.outcomes():
                report.add(outcome)
                heard(outcome)
            if strict and report.counts[Result.BAD]:
                report.rolled_back = True
                transaction.set_rollback(True, using=self._using)
        return report

    def outcomes(self) -> Iterator[Outcome]:
        """Import the file: what became of each line, some hundreds at a time, in their order."""
        lines = iter(self._source)
        while chunk := list(islice(lines, CHUNK)):
            good = [line for line in chunk if isinstance(line, Line)]
            bad = [
                Outcome(line.number, Result.BAD, [Problem(line.reason)])
                for line in chunk
                if isinstance(line, BadLine)
            ]
            yield from sorted([*self._import(good), *bad], key=lambda outcome: outcome.number)

    def _import(self, lines: Sequence[Line]) -> list[Outcome]:
        """Import some lines in one transaction; one by one where the database refuses that."""
        if not lines:
            return []
        try:
            with (
                attributed(bulk=True, source="import", requested_by=self._requested_by),
                transaction.atomic(using=self._using),
            ):
                return self._write(lines)
        except (IntegrityError, DataError):
            if len(lines) == 1:
                return [self._refused(lines[0])]
            return [outcome for line in lines for outcome in self._import([line])]

    def _refused(self, line: Line) -> Outcome:
        key = self._table.key_of(line, self._columns)
        if self._line_of.get(key) == line.number:
            del self._line_of[key]
        problem = Problem(_("the database does not take it"))
        return Outcome(line.number, Result.BAD, [problem], key=self._shown_key(line))

    def _write(self, lines: Sequence[Line]) -> list[Outcome]:
        known = self._table.look_up(self._using, lines, self._columns)
        outcomes, drafts = list[Outcome](), list[Draft]()
        for line in lines:
            draft = self._draft(line, known)
            outcome = _judge(draft, self._shown_key(line))
            outcomes.append(outcome)
            if outcome.result in (Result.CREATED, Result.UPDATED):
                drafts.append(draft)
        if not self._dry_run:
            self._create([draft.row for draft in drafts if draft.is_new])
            self._update([draft for draft in drafts if not draft.is_new])
        return outcomes

    def _draft(self, line: Line, known: Known) -> Draft:
        draft = self._table.fill(line, self._columns, known, self._clear_blanks)
        key = self._table.key_of(line, self._columns)
        first = self._line_of.get(key, line.number)
        if first != line.number:
            title = self._columns.known[self._table.key]
            words = _("same %(column)s as line %(line)d") % {"column": title, "line": first}
            draft.errors = [Problem(words, value=line.cells[title])]
        elif not draft.errors:
            self._line_of[key] = line.number
        return draft

    def _shown_key(self, line: Line) -> str:
        return line.cells[self._columns.known[self._table.key]]

    def _create(self, rows: Iterable[object]) -> None:
        self._table.model._default_manager.using(self._using).bulk_create(rows)  # type: ignore[arg-type]  # of that model

    def _update(self, drafts: Iterable[Draft]) -> None:
        """Write what changed, and nothing else: rows with the same changes together."""
        alike = defaultdict[frozenset[str], list[Draft]](list)
        for draft in drafts:
            draft.row.updated_at = timezone.now()
            alike[frozenset(draft.changed)].append(draft)
        for changed, some in alike.items():
            self._table.model._default_manager.using(self._using).bulk_update(
                [draft.row for draft in some], [*sorted(changed), "updated_at"]
            )


def _judge(draft: Draft, key: str) -> Outcome:
    """What becomes of a line whose row is locked."""
    result, problems = Result.UPDATED, draft.errors
    if problems:
        result = Result.BAD
    elif draft.is_new:
        result = Result.CREATED
    elif not draft.changed:
        result = Result.UNCHANGED
    elif isinstance(draft.row, Engagement) and not draft.row.is_editable:
        result = Result.DIFFERS
        words = _("differs from what was sent already (%(columns)s): left as it is")
        problems = [Problem(words % {"columns": ", ".join(sorted(draft.changed))})]
    stays = draft.stays_unsubscribed and result is not Result.BAD
    return Outcome(draft.line.number, result, problems, stays, key, draft.changes())
