"""Who has turns in a drain, in their order, and what each deals with."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from conversion_sync.sync import steps
from conversion_sync.sync.kinds import KINDS, OPT_OUTS

__all__ = ["JOBS", "RENAMES", "after", "label_of", "others"]

#: What the spreading of companies' names, and the bulk jobs, are called among the kinds.
RENAMES, JOBS = "rename", "job"

_KINDS_BUT_OPT_OUTS = tuple(kind.name for kind in KINDS if kind is not OPT_OUTS)

_LABELS: Mapping[str, str | Promise] = {
    **{kind.name: kind.label for kind in KINDS},
    RENAMES: gettext_lazy("new names of companies"),
    JOBS: gettext_lazy("bulk jobs"),
}


def others() -> tuple[str, ...]:
    """All but the opt-outs, in the order of their turns."""
    return (*_KINDS_BUT_OPT_OUTS, RENAMES, JOBS, *(step.name for step in steps.steps()))


def after(name: str) -> str:
    """The kind whose turn comes after that of this one."""
    names = others()
    return names[(names.index(name) + 1) % len(names)] if name in names else names[0]


def label_of(name: str) -> str:
    """What somebody deals with who has turns, for people; one that nobody knows by its name."""
    step = steps.step_of(name)
    return str(step.label if step else _LABELS.get(name, name))
