"""The import of a file: in chunks, one transaction each, one outcome a line."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import islice
from typing import BinaryIO

from django.db import DataError, IntegrityError, transaction
from django.utils.translation import gettext as _

from conversion_sync.importing.bad_lines import BadLines
from conversion_sync.importing.layout import Layout
from conversion_sync.importing.notices import notices
from conversion_sync.importing.outcome import Outcome, Report, Result, judge
from conversion_sync.importing.problem import Problem
from conversion_sync.importing.source import BadLine, Line
from conversion_sync.importing.tables import TABLES, Columns, KnownOfLines
from conversion_sync.importing.values import Values
from conversion_sync.models import attributed
from conversion_sync.records.edit import Edit
from conversion_sync.records.write import write

__all__ = ["Importer"]

LINES_AT_ONCE = 500


class Importer:
    """Imports one file. Imported again, it updates, and leaves alone what is as the file says.

    Args:
        kind: a name of ``TABLES``.
        file: opened in binary, and seekable; or how it is read, where that is known already (then
            ``withheld``, ``choices`` and ``encoding`` are part of that).
        requested_by: who answers for it, for the consent log.
        clear_blanks: a blank cell clears the value; else it leaves it as it is. An
            engagement, its contact and a subscription are never cleared.
        withheld: known columns that whoever asks for it may not change: they are left alone.
        dry_run: say what would become of each line, and write nothing.
        choices: what columns become, by title, where a person says otherwise: a known column
            ("phone"), "variable:text" (or another type), "skip".
        encoding: of a text file, by somebody who knows.

    Raises:
        UnusableFile: no line of it can be read.
    """

    def __init__(
        self,
        kind: str,
        file: BinaryIO | Layout,
        *,
        using: str = "default",
        requested_by: str = "",
        clear_blanks: bool = False,
        withheld: Collection[str] = (),
        dry_run: bool = False,
        choices: Mapping[str, str] | None = None,
        encoding: str = "",
    ) -> None:
        self._table = TABLES[kind]
        if not isinstance(file, Layout):
            file = Layout(self._table, file, choices or {}, withheld, encoding)
        self.layout = file
        if self.layout.problem:
            raise self.layout.problem
        self._using = using
        self._requested_by = requested_by
        self._clear_blanks = clear_blanks
        self._dry_run = dry_run
        self._line_of = dict[str, int]()
        self._bad_lines = BadLines(file, using, requested_by, dry_run)
        self._opting_out = frozenset[str]()

    @property
    def total(self) -> int:
        """The lines of the file, for a progress bar."""
        return self.layout.inspection.last_line

    @property
    def notices(self) -> list[str]:
        """What a person should know of how the file is read."""
        return notices(self.layout)

    @property
    def _columns(self) -> Columns:
        return self.layout.for_table

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
        # In whatever order its lines stand, an opt-out wins over all else that the file says.
        self._opting_out = self._bad_lines.opt_outs.keys()
        lines = self.layout.lines()
        while chunk := list(islice(lines, LINES_AT_ONCE)):
            good = [line for line in chunk if isinstance(line, Line)]
            bad = [
                Outcome(line.number, Result.BAD, [Problem(line.reason)], record=line.record)
                for line in chunk
                if isinstance(line, BadLine)
            ]
            outcomes = sorted([*self._import(good), *bad], key=lambda outcome: outcome.number)
            yield from self._bad_lines.take_opt_outs(chunk, outcomes)

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
        return Outcome(
            line.number, Result.BAD, [problem], key=self._shown_key(line), record=line.record
        )

    def _write(self, lines: Sequence[Line]) -> list[Outcome]:
        known = self._table.look_up(self._using, lines, self._columns)
        known.opting_out = self._opting_out
        outcomes, edits, lost = list[Outcome](), list[Edit](), set[str]()
        for line in lines:
            values = self._read(line, known)
            edit = None if values.problems else self._table.edited(values, known)
            may_change = edit is None or self._table.may_change(edit.row)
            outcome = judge(values, edit, self._shown_key(line), may_change=may_change)
            outcomes.append(outcome)
            if edit is None:
                continue
            if outcome.result in (Result.CREATED, Result.UPDATED):
                edits.append(edit)
            if edit.opt_out_is_lost:
                lost.add(edit.key)
        if not self._dry_run:
            write(self._table.model, self._using, edits, opt_outs=lost)
        return outcomes

    def _read(self, line: Line, known: KnownOfLines) -> Values:
        """What a line says; a second one about a row says nothing."""
        values = self._table.read(line, self._columns, known, self._clear_blanks)
        first = self._line_of.get(values.key, line.number)
        if first != line.number:
            title = self._columns.known[self._table.key]
            words = _("same %(column)s as line %(line)d") % {"column": title, "line": first}
            values.problems = [Problem(words, value=line.cells[title])]
        elif not values.problems:
            self._line_of[values.key] = line.number
        return values

    def _shown_key(self, line: Line) -> str:
        return line.cells[self._columns.known[self._table.key]]
