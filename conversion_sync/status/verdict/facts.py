"""The facts of which a verdict is made."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from conversion_sync.sync.gate import GateState

__all__ = ["Facts"]

#: Within this a drain follows the last one where anything is due: a sweep, and its wait.
NEXT_DRAIN = datetime.timedelta(seconds=90)

OPEN = GateState("open")


@dataclass(frozen=True)
class Facts:
    """What a verdict is made of.

    Attributes:
        now: the time of the database.
        detailed: False: all that waits counts as ``moving``, all that needs a person as ``failed``.
        gate: whether the API may be called.
        working: False when rows are due, and no drain has run for long.
        seen_at: when a drain last gave a sign of life.
        sending: whether a drain runs, or is about to.
        lively: whether one ran so lately that the next one is sure to come.
        silent_since: since when the API has not answered; None if it answers.
        failed, in_doubt: rows that need a person.
        stuck: rows that are tried again, but arrive only when a person has acted.
        stuck_for: the error of most of these.
        held: rows that wait for one of these.
        retrying: rows that were tried in vain, and are tried again by themselves.
        retrying_for: the error of most of these; blank where nobody looked.
        moving: all other rows that have not arrived; they are on their way.
        seconds_left: what sending those will take, if it goes on as in the last minutes; None if
            nobody can tell.
        marks: changes of the site's own models that no mirror has looked at.
        faulty: of the site's own models, what can't be mirrored until a person corrects it.
        leaving: rows of mirrors that would leave, and wait for a person.
        troubles: what the rows are called of which nothing is sent because something fails.
    """

    now: datetime.datetime
    detailed: bool = True
    enabled: bool = True
    has_key: bool = True
    gate: GateState = OPEN
    working: bool = True
    seen_at: datetime.datetime | None = None
    sending: bool = True
    lively: bool = True
    silent_since: datetime.datetime | None = None
    failed: int = 0
    in_doubt: int = 0
    stuck: int = 0
    stuck_for: str = ""
    held: int = 0
    retrying: int = 0
    retrying_for: str = ""
    moving: int = 0
    seconds_left: float | None = None
    marks: int = 0
    faulty: int = 0
    leaving: int = 0
    troubles: Sequence[str] = ()

    @property
    def drained_lately(self) -> bool:
        """Whether a drain was seen so lately that the next one is sure to come."""
        return self.seen_at is not None and self.now - self.seen_at <= NEXT_DRAIN

    @property
    def for_a_person(self) -> int:
        """Rows that need a person, and what of the site's own models does."""
        return self.failed + self.in_doubt + self.stuck + self.faulty + self.leaving

    @property
    def waiting(self) -> int:
        """Rows that are not sent now, and need no person of their own."""
        return self.moving + self.retrying + self.held
