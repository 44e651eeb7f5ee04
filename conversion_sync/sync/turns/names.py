"""Who has turns in a drain, in their order, and what each deals with."""

from __future__ import annotations

from conversion_sync.sync import steps
from conversion_sync.sync.kinds import KINDS, OPT_OUTS

__all__ = ["JOBS", "RENAMES", "after", "others"]

#: What the spreading of companies' names, and the bulk jobs, are called among the kinds.
RENAMES, JOBS = "rename", "job"

_KINDS_BUT_OPT_OUTS = tuple(kind.name for kind in KINDS if kind is not OPT_OUTS)


def others() -> tuple[str, ...]:
    """All but the opt-outs, in the order of their turns."""
    return (*_KINDS_BUT_OPT_OUTS, RENAMES, JOBS, *(step.name for step in steps.steps()))


def after(name: str) -> str:
    """The kind whose turn comes after that of this one."""
    names = others()
    return names[(names.index(name) + 1) % len(names)] if name in names else names[0]
