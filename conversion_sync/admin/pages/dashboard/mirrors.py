"""The mirrors of the site's own models, in numbers, and what of them needs a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from conversion_sync.admin.lists.sources import kinds_of, mirror_name
from conversion_sync.admin.pages.dashboard.cell import Cell
from conversion_sync.admin.pages.dashboard.failures import Failure
from conversion_sync.admin.pages.dashboard.links import list_address
from conversion_sync.admin.pages.sources.words import REMEDIES
from conversion_sync.mirrors.figures import Figures
from conversion_sync.mirrors.registry import registry
from conversion_sync.models import MirrorLink
from conversion_sync.status.numbers import grouped

__all__ = ["COLUMNS", "MirrorLine", "mirror_failures", "mirror_lines"]

Trouble = MirrorLink.Trouble

#: What is counted of each mirror.
COLUMNS = {
    "followed": _("Followed"),
    "mirrored": _("Mirrored"),
    "marks": _("To be looked at"),
    Trouble.FAULT: _("Faults"),
    Trouble.UNUSABLE: _("Unusable values"),
    Trouble.NO_KEY: _("Without a key"),
    Trouble.CONFLICT: _("Conflicts"),
    Trouble.WAITING: _("Waiting"),
    Trouble.HELD: _("Held"),
}

_SAID = {
    Trouble.FAULT: _("the mirror's code failed"),
    Trouble.UNUSABLE: _("rows stay as they are"),
    Trouble.HELD: _("would leave, too many not to ask you"),
}


@dataclass(frozen=True)
class MirrorLine:
    """A mirror in a line of the table."""

    name: str
    label: str
    address: str
    cells: Sequence[Cell]


def mirror_lines(
    request: HttpRequest, mirrors: Sequence[Figures], site: AdminSite
) -> list[MirrorLine]:
    """A line for each mirror."""
    return [
        MirrorLine(
            name=_name(one),
            label=one.mirror,
            address=list_address(request, "mirrorlink", site, mirror=one.mirror),
            cells=[_cell(request, one, name, site) for name in COLUMNS],
        )
        for one in mirrors
    ]


def _name(one: Figures) -> str:
    declared = registry.get(one.mirror)
    return one.mirror if declared is None else mirror_name(declared)


def _cell(request: HttpRequest, one: Figures, name: str, site: AdminSite) -> Cell:
    is_trouble = name in Trouble.values
    count = one.troubles.get(name, 0) if is_trouble else int(getattr(one, name))
    query = {"mirror": one.mirror, "trouble": str(name)}
    return Cell(
        label=str(COLUMNS[name]),
        count=grouped(count),
        address=list_address(request, "mirrorlink", site, **query) if count and is_trouble else "",
    )


def mirror_failures(
    request: HttpRequest, mirrors: Sequence[Figures], site: AdminSite
) -> Iterator[Failure]:
    """What of the mirrors wants a person."""
    for one in mirrors:
        for trouble in MirrorLink.FOR_A_PERSON:
            if not (count := one.troubles.get(trouble, 0)):
                continue
            query = {"mirror": one.mirror, "trouble": trouble.value}
            yield Failure(
                count=count,
                rows=f"{grouped(count)} {_counted(one, trouble, count)}",
                status=str(trouble.label),
                code=one.mirror,
                words=str(_SAID[trouble]),
                remedy=str(REMEDIES[trouble]),
                address=list_address(request, "mirrorlink", site, **query),
            )


def _counted(one: Figures, trouble: Trouble, count: int) -> str:
    """What is counted: the rows that would leave; else the sources."""
    declared = registry.get(one.mirror)
    if declared is None or trouble == Trouble.HELD:
        return kinds_of(one.kind, count)
    opts = declared.model._meta
    return str(opts.verbose_name if count == 1 else opts.verbose_name_plural)
