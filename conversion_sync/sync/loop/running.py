"""A delivery that is under way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from conversion_sync.sync.deliveries import Calls, Delivery, LoggedAnswer, SlotsNeeded

__all__ = ["Running"]


@dataclass(eq=False)
class Running:
    """A delivery that is under way.

    Attributes:
        name: of what it is; calls in flight are counted by it.
        is_urgent: it has the next slots, before others that wait.
        has_begun: it has had a slot; before that it holds nothing.
        crowds_nobody: nobody else may call meanwhile, so that it needs not be in time.
        is_silent: whether its last call timed out; None: none was made.
        has_ended: with ``result``, or with ``error``.
    """

    name: str
    delivery: Delivery[Any]
    is_urgent: bool = False
    step: SlotsNeeded | Calls = field(default_factory=SlotsNeeded)
    answers: list[LoggedAnswer[Any] | None] = field(default_factory=list)
    has_begun: bool = False
    crowds_nobody: bool = False
    is_silent: bool | None = None
    has_ended: bool = False
    result: Any = None
    error: Exception | None = None

    @property
    def in_flight(self) -> int:
        """How many of its calls are on their way."""
        return self.answers.count(None)
