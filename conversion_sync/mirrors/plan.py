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
        is_deferred: what it depends on has changed too, and is rendered first.
        is_held: it would leave, and waits for a person.
        is_released: it may leave: a person has decided so.
        row: of this app, that it gets.
        had, had_key: the primary key and the key of the row that it had.
        was_in_conflict: another source had the row of that key.
        left: the primary key of a row that it had, or was to take over, and that it leaves.
    """

    link: MirrorLink
    reading: Reading | None
    place: int = 0
    key: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    wants: bool = False
    leaves: str = ""
    is_stuck: bool = False
    is_deferred: bool = False
    is_held: bool = False
    is_released: bool = False
    row: Any = None
    left: int | None = None
    had: int | None = None
    had_key: str = ""
    was_in_conflict: bool = False

    def __post_init__(self) -> None:
        self.had, self.had_key = self.link.row, self.link.key
        self.was_in_conflict = self.link.state == State.CONFLICT
        self.is_released = self.link.state == State.RELEASED

    def leave(self, reason: Message, **parameters: Any) -> None:
        """It is to have no row."""
        self.leaves = stored(reason, **parameters)

    def refuse(self, name: str, why: str) -> None:
        """A value can't be used: the row that there is stays as it is."""
        self.wants, self.is_stuck = False, True
        self.link.state = State.EXCLUDED
        self.link.reason = stored(Message.UNUSABLE, name=name, why=why)
