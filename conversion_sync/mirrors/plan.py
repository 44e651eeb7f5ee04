"""What is to become of one source, on its way to its row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from conversion_sync.mirrors.reading import Reading
from conversion_sync.models import MirrorLink
from conversion_sync.models.messages import Message, stored

__all__ = ["Plan"]

State = MirrorLink.State


@dataclass(eq=False)
class Plan:
    """One source.

    Attributes:
        link: locked, or new; what it says is what becomes of it.
        reading: None: the source is gone.
        wants: it is to have a row.
        leaves: the reason, if it is to have none.
        place: among those that are rendered at once: of two that want a key, the first gets it.
        is_stuck: by a fault of the site's code, or a value that can't be used: its row stays as it
            is.
        is_handed_on: the row that it had, another has now that waits for its turn.
        is_held: it would leave, and waits for a person.
        is_released: it may leave: a person has decided so.
        row: of this app, that it gets.
        had, had_key: the primary key and the key of the row that it had.
        waited_for: the key that it wanted, and another source had the row of.
        was_set_aside: its own row was taken by another, and the one that it had is not its own.
        orphans: the primary keys of rows that no source has, and of which it was to say what
            becomes of them: it was to take them over, or has left them.
        left: the primary keys of rows that it had, or was to take over, and that it leaves.
    """

    link: MirrorLink
    reading: Reading | None
    place: int = 0
    key: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    wants: bool = False
    leaves: str = ""
    is_stuck: bool = False
    is_handed_on: bool = False
    is_held: bool = False
    is_released: bool = False
    row: Any = None
    orphans: set[int] = field(default_factory=set)
    left: set[int] = field(default_factory=set)
    had: int | None = None
    had_key: str = ""
    waited_for: str = ""
    was_set_aside: bool = False

    def __post_init__(self) -> None:
        self.had, self.had_key = self.link.row, self.link.key
        self.waited_for = self.link.key if self.link.state == State.CONFLICT else ""
        self.was_set_aside = self.link.state == State.WAITING
        self.is_released = self.link.state == State.RELEASED

    @property
    def is_in_conflict(self) -> bool:
        """Another source has the row of its key."""
        return not (self.wants or self.leaves or self.is_stuck)

    @property
    def gives_up(self) -> bool:
        """It is stuck, and what it has is not its own: while nobody can tell, that waits too."""
        return self.is_stuck and self.was_set_aside and not self.link.fault

    def leave(self, reason: Message, **parameters: Any) -> None:
        """It is to have no row."""
        self.leaves = stored(reason, **parameters)

    def refuse(self, name: str, why: str) -> None:
        """A value can't be used: the row that there is stays as it is."""
        self.wants, self.is_stuck = False, True
        self.link.state = State.EXCLUDED
        self.link.reason = stored(Message.UNUSABLE, name=name, why=why)
