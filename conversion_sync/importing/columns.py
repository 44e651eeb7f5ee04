"""The columns of one file: what each becomes, by its title or by what a person says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from conversion_sync.importing.choices import SKIP, VARIABLE, Choice
from conversion_sync.importing.errors import UnusableFile
from conversion_sync.importing.headers import OPT_OUT, squeezed
from conversion_sync.importing.reading.fields import field_reading
from conversion_sync.importing.reading.readings import AsText, Reading
from conversion_sync.importing.reading.variables import variable_reading
from conversion_sync.importing.tables import Table

__all__ = ["REASON", "WISH", "Column", "assign", "problem_of", "titles_of"]

#: The columns that are for people alone, and are left out when they are imported again: why a line
#: was rejected, and what an export says of a wish that is not let through.
REASON, WISH = "Rejected because", "held_wish"


@dataclass(slots=True)
class Column:
    """A column of a file, what it becomes, and how it is read.

    ``why``: the reason for which it is left out, in the words of a person.
    """

    place: int
    title: str
    guess: Choice
    choice: Choice
    reading: Reading
    why: str = ""
    #: Nobody here may choose otherwise.
    is_withheld: bool = False
    #: It has no name in the file: many are blank, and are left behind by a spreadsheet.
    is_unnamed: bool = False
    examples: list[str] = field(default_factory=list)

    @property
    def is_waiting(self) -> bool:
        """Whether a person has said what it becomes."""
        return self.choice != self.guess

    @property
    def is_empty(self) -> bool:
        """Whether it has neither a name nor a cell that is not blank: it is as if not there."""
        return self.is_unnamed and not self.examples

    def settle(self) -> None:
        """All cells have been seen."""
        self.reading = self.reading.settled()


def assign(
    table: Table,
    header: Sequence[str],
    choices: Mapping[str, Choice],
    withheld: Collection[str] = (),
) -> list[Column]:
    """What each column of a file becomes.

    Args:
        header: its titles, none of them twice; "" where it names none.
        choices: what a person says, by title.
        withheld: known columns that are left alone, whatever the file says.
    """
    taken = {choice.target for choice in choices.values()}
    guesses = _guesses(table, header, taken)
    columns = list[Column]()
    for place, (name, title) in enumerate(zip(header, titles_of(header), strict=True)):
        guess, why = guesses.get(name, (Choice(VARIABLE), ""))
        choice = choices.get(title, guess)
        is_withheld = _field(choice.target) in withheld
        if is_withheld:
            guess = choice = Choice(SKIP)
            why = _("you may not change it")
        columns.append(
            Column(
                place,
                title,
                guess,
                choice,
                _reading(title, choice),
                why=why if choice == guess else "",
                is_withheld=is_withheld,
                is_unnamed=not name,
            )
        )
    return columns


def _guesses(
    table: Table, header: Sequence[str], taken: Collection[str]
) -> dict[str, tuple[Choice, str]]:
    """What the named columns become by themselves, or why they are left out."""
    ranked = defaultdict[str, dict[int, list[str]]](lambda: defaultdict(list))
    exact = {squeezed(title) for title in header if title in table.targets()}
    for title in filter(None, header):
        if place := table.titles.known(title):
            # Where a file uses our own names, these are the best.
            ranked[place[0]][-1 if squeezed(title) in exact else place[1]].append(title)
    guesses = dict.fromkeys((REASON, WISH), (Choice(SKIP), ""))
    for name, by_rank in ranked.items():
        first = min(by_rank)
        for rank, titles in by_rank.items():
            wins = name == OPT_OUT or (rank == first and name not in taken)
            guesses |= {title: _guess(name, title, wins) for title in titles}
    if "company_id" in ranked or "company_id" in taken:
        why = _("the company (company_id) gives it")
        for titles in ranked["company_name"].values():
            guesses |= {title: (Choice(SKIP), why) for title in titles}
    return guesses


def _guess(name: str, title: str, wins: bool) -> tuple[Choice, str]:
    if wins:
        return Choice(name), ""
    if name == _field(OPT_OUT):
        # The status is that of the better column; an opt-out holds wherever it stands.
        return Choice(OPT_OUT), ""
    if title == name:
        # No variable may be called so.
        return Choice(SKIP), _("another column is read as %(name)s") % {"name": name}
    return Choice(VARIABLE), ""


def titles_of(header: Sequence[str]) -> list[str]:
    """A title for each column, also where the file names none."""
    titles = list[str]()
    for place, name in enumerate(header, 1):
        title = name or f"column_{place}"
        while not name and title in header:
            title += "_"
        titles.append(title)
    return titles


def _field(target: str) -> str:
    """The field that a column of this target writes."""
    return "subscription_status" if target == OPT_OUT else target


def _reading(title: str, choice: Choice) -> Reading:
    if choice.target == VARIABLE:
        return variable_reading(title, choice.way)
    if choice.target == SKIP:
        return AsText()
    return field_reading(choice.target, choice.way)


def problem_of(table: Table, columns: Sequence[Column]) -> UnusableFile | None:
    """Why the columns can't be used as they are: one is missing, or one is there twice."""
    known = dict[str, str]()
    for column in columns:
        name = column.choice.target
        if name in (VARIABLE, SKIP, OPT_OUT):
            continue
        if name in known:
            words = _("the columns “%(one)s” and “%(other)s” mean the same")
            return UnusableFile(words % {"one": known[name], "other": column.title})
        known[name] = column.title
    return _missing(table, known)


def _missing(table: Table, known: Collection[str]) -> UnusableFile | None:
    titles = {name: title for title, name in table.aliases.items()}
    missing = [titles.get(name, name) for name in table.required if name not in known]
    if not missing:
        return None
    reason = _("the column “%(name)s” is missing") % {"name": missing[0]}
    if len(missing) > 1:
        named = get_text_list([f"“{name}”" for name in missing], _("and"))
        reason = _("the columns %(names)s are missing") % {"names": named}
    return UnusableFile(reason)
