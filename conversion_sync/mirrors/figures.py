"""How each mirror stands, in numbers. Nothing here writes."""

from __future__ import annotations

import datetime
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, QuerySet

from conversion_sync.mirrors.followed import table
from conversion_sync.mirrors.registry import registry
from conversion_sync.models import MirrorLink, MirrorMark, MirrorState
from conversion_sync.status.estimates import EXACT
from conversion_sync.status.recent import recent

__all__ = ["Figures", "figures", "held"]

State, Trouble, What = MirrorLink.State, MirrorLink.Trouble, MirrorMark.What

#: By mirror, how many of its sources are in which state, or have which trouble.
Counts = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Figures:
    """One mirror.

    Attributes:
        mirror: its label.
        kind: of its rows: ``contact``, ``company`` or ``engagement``.
        model: of its sources, such as ``shop.customer``.
        followed: sources that it has looked at, and that are there still.
        mirrored: those of them that have a row.
        marks: changes that it has still to look at; of very many, about so many.
        troubles: sources by what is wrong with them (``MirrorLink.Trouble``).
        backfilled_at: when the last backfill came to its end.
    """

    mirror: str
    kind: str
    model: str
    followed: int = 0
    mirrored: int = 0
    marks: int = 0
    troubles: Mapping[str, int] = field(default_factory=dict)
    backfilled_at: datetime.datetime | None = None


def figures(using: str) -> list[Figures]:
    """The figures of all mirrors that are declared: four queries, which indexes answer.

    Where counting takes long, what was counted last serves for a while.
    """
    if not (mirrors := [*registry]):
        return []
    states, troubles = recent("mirrors", using, _count)
    marks, ended = _marks(using), _backfilled(using)
    return [
        Figures(
            mirror=declared.label,
            kind=str(declared.kind),
            model=declared.model._meta.label_lower,
            followed=sum(states.get(declared.label, {}).values()),
            mirrored=states.get(declared.label, {}).get(State.MIRRORED, 0),
            marks=marks[declared.label],
            troubles=troubles.get(declared.label, {}),
            backfilled_at=ended.get(declared.label),
        )
        for declared in mirrors
    ]


def held(using: str) -> dict[str, int]:
    """How many rows of each mirror would leave and wait for a person, where any do: one query."""
    links = MirrorLink.objects.using(using).order_by().filter(trouble=Trouble.HELD)
    counts = dict(links.values_list("mirror").annotate(count=Count("*")))
    return {each.label: counts[each.label] for each in registry if each.label in counts}


def _count(using: str) -> tuple[Counts, Counts]:
    links = MirrorLink.objects.using(using).order_by()
    states = links.exclude(state=State.GONE).values_list("mirror", "state")
    troubles = links.filter(trouble__in=Trouble.values).values_list("mirror", "trouble")
    return _grouped(states), _grouped(troubles)


def _grouped(groups: QuerySet[Any, tuple[Any, ...]]) -> Counts:
    found = defaultdict[str, dict[str, int]](dict)
    for mirror, name, count in groups.annotate(count=Count("*")):
        found[mirror][name] = count
    return dict(found)


def _marks(using: str) -> Counter[str]:
    """How many marks concern each mirror, of as many as are counted."""
    some = MirrorMark.objects.using(using).order_by("pk").values_list("model", "what")
    found = Counter[str]()
    for (model, what), count in Counter(some[: EXACT + 1]).items():
        for mirror in {*_concerned(model, what)}:
            found[mirror] += count
    return found


def _concerned(model: str, what: str) -> Iterator[str]:
    if what in (What.BEGUN, What.AGAIN):
        yield model
    elif what == What.HANDED:
        yield from (each.mirror for each in table().references.get(model, ()))
    else:
        yield from (each.mirror for each in table().concerns.get(model, ()))


def _backfilled(using: str) -> dict[str, datetime.datetime | None]:
    states = MirrorState.objects.using(using)
    return dict(states.values_list("mirror", "backfilled_at"))
