"""What became of a line, and of all lines."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from conversion_sync.importing.problem import Problem
from conversion_sync.importing.values import Values
from conversion_sync.records.change import Change
from conversion_sync.records.edit import Edit

__all__ = ["Outcome", "Report", "Result", "judge"]


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
    ``opt_out_is_taken``: the line is bad, and the opt-out that it brings is entered all the same.
    ``unknown_company``: the name that no company has, or several; all else of the line was taken.
    """

    number: int
    result: Result
    problems: Sequence[Problem] = ()
    stays_unsubscribed: bool = False
    opt_out_is_taken: bool = False
    unknown_company: str = ""
    key: str = ""
    changes: Sequence[Change] = ()
    #: The cells of a bad line, as they stand in the file.
    record: Sequence[str] = ()

    @property
    def message(self) -> str:
        """What is wrong with the line, for people."""
        taken = [_("its opt-out is entered all the same")] if self.opt_out_is_taken else []
        return "; ".join([*map(str, self.problems), *taken])


@dataclass(slots=True)
class Report:
    """What became of all lines."""

    counts: Counter[Result] = field(default_factory=Counter)
    stay_unsubscribed: int = 0
    #: The bad lines whose opt-outs are entered all the same.
    opt_outs_taken: int = 0
    #: The lines that name a company which can't be told from its name.
    unknown_companies: int = 0
    rolled_back: bool = False

    def add(self, outcome: Outcome) -> None:
        """Count a line."""
        self.counts[outcome.result] += 1
        self.stay_unsubscribed += outcome.stays_unsubscribed
        self.opt_outs_taken += outcome.opt_out_is_taken
        self.unknown_companies += bool(outcome.unknown_company)


def judge(values: Values, edit: Edit | None, key: str, *, may_change: bool = True) -> Outcome:
    """What becomes of a line whose row is locked.

    Args:
        edit: of that row; None: the line is bad.
        key: as the line spells it.
        may_change: a row that is there already may still be changed.
    """
    line, result, problems = values.line, Result.UPDATED, values.problems
    if edit is None:
        return Outcome(line.number, Result.BAD, problems, key=key, record=line.record)
    if edit.is_new:
        result = Result.CREATED
    elif not edit.changed:
        result = Result.UNCHANGED
    elif not may_change:
        result = Result.DIFFERS
        words = _("differs from what was sent already (%(columns)s): left as it is")
        problems = [Problem(words % {"columns": ", ".join(sorted(edit.changed))})]
    return Outcome(
        line.number,
        result,
        problems,
        edit.stays_unsubscribed,
        unknown_company=edit.unknown_company,
        key=key,
        changes=edit.changes(),
    )
