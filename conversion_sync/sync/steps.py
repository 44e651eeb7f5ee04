"""Steps of the drain that need no call: rooms above this one register theirs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from django.db import InterfaceError, OperationalError
from django.db.models import QuerySet
from django.utils.functional import Promise

from conversion_sync.sync.run import Run

__all__ = ["Step", "any_waiting", "finish", "register", "step_of", "steps"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """Something that drains do, beside the kinds, for a moment at a time.

    Attributes:
        name: of its turn.
        label: what it deals with, for people.
        waiting: the rows that it has to deal with, in a database.
        take: go on for a moment; returns how many it dealt with.
    """

    name: str
    label: str | Promise
    waiting: Callable[[str], QuerySet[Any]]
    take: Callable[[str], int]


_steps = dict[str, Step]()


def register(step: Step) -> None:
    """Have the drains take this step. When the app is set up, before any drain."""
    _steps[step.name] = step


def steps() -> Collection[Step]:
    """All that are registered."""
    return _steps.values()


def step_of(name: str) -> Step | None:
    """The step of this name."""
    return _steps.get(name)


def any_waiting(using: str) -> bool:
    """Whether there is anything for a step to do."""
    return any(step.waiting(using).exists() for step in steps())


def finish(run: Run) -> bool:
    """Go on with the steps in what is left of a drain's time, whether or not it may send.

    One that raises is logged, and the others go on.

    Returns:
        Whether they made progress, and there is more.
    """
    left, dealt = {*steps()}, False
    while left and not run.is_over():
        for step in [*left]:
            if _take(step, run.using):
                dealt = True
            else:
                left.discard(step)
    return dealt and any_waiting(run.using)


def _take(step: Step, using: str) -> int:
    if not step.waiting(using).exists():
        return 0
    try:
        return step.take(using)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        logger.exception("The step “%s” failed.", step.name)
        return 0
