"""The bad lines of a file: nothing of them goes in but the opt-outs that they bring."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from django.utils.translation import gettext as _

from conversion_sync.importing.layout import Layout
from conversion_sync.importing.opt_outs import OptOutFinder, is_address
from conversion_sync.importing.outcome import Outcome, Result
from conversion_sync.importing.problem import Problem
from conversion_sync.importing.source import BadLine, Line
from conversion_sync.models import Contact, SubscriptionChange, attributed

__all__ = ["BadLines"]


class BadLines:
    """Enters the opt-outs of one file's bad lines.

    Args:
        requested_by: who answers for it, for the consent log.
        dry_run: say what would be entered, and write nothing.
    """

    def __init__(self, layout: Layout, using: str, requested_by: str, dry_run: bool) -> None:
        self.opt_outs = OptOutFinder(layout)
        self._layout, self._using = layout, using
        self._requested_by, self._dry_run = requested_by, dry_run

    def take_opt_outs(
        self, lines: Sequence[Line | BadLine], outcomes: Sequence[Outcome]
    ) -> Iterator[Outcome]:
        """Enter the opt-outs of the bad ones among these lines, and say so."""
        bad = [line for line, o in zip(lines, outcomes, strict=True) if o.result is Result.BAD]
        found = {line.number: self.opt_outs.of(line) for line in bad}
        keys = {one.key for one in found.values() if one and one.key}
        taken = self._enter(keys) if keys else frozenset[str]()
        for line, outcome in zip(lines, outcomes, strict=True):
            one = found.get(line.number)
            if outcome.result is not Result.BAD:
                yield outcome
            elif one and one.key in taken:
                yield replace(outcome, opt_out_is_taken=True)
            elif one or (self.opt_outs.is_said(line) and not self._is_somebodys(line)):
                problem = Problem(_("whose opt-out it is can't be told: it is not entered"))
                yield replace(outcome, problems=[*outcome.problems, problem])
            else:
                yield outcome

    def _is_somebodys(self, line: Line | BadLine) -> bool:
        """Whether a line says plainly whose it is."""
        layout = self._layout
        return isinstance(line, Line) and is_address(layout.table.key_of(line, layout.for_table))

    def _enter(self, keys: Collection[str]) -> frozenset[str]:
        """Returns those of the keys that are somebody's; only their opt-outs can be entered."""
        rows = Contact.unmarked.using(self._using).filter(key__in=keys)
        taken = {*rows.values_list("key", flat=True), *filter(is_address, keys)}
        if not self._dry_run:
            with attributed(bulk=True, source="import", requested_by=self._requested_by):
                SubscriptionChange.opt_out(self._using, taken)
        return frozenset(taken)
