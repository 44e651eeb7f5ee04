"""Marks that ask for all links of a mirror in some state: spread into those of their sources."""

from __future__ import annotations

from typing import Any, Protocol

from django.db.models import QuerySet

from conversion_sync.mirrors.marks import Mark, write
from conversion_sync.mirrors.registry import registry
from conversion_sync.mirrors.table import label_of
from conversion_sync.models import MirrorLink, MirrorMark

__all__ = ["asked_for", "spread"]

State, Trouble = MirrorLink.State, MirrorLink.Trouble

#: Links of one transaction.
LINKS = 500


class _Asking(Protocol):
    """A mark, written or not, of ``MirrorMark.What.AGAIN``.

    Attributes:
        model: the label of the mirror.
        source: ``State.RELEASED``, or a trouble; blank: whatever is wrong.
    """

    @property
    def model(self) -> Any: ...

    @property
    def source(self) -> Any: ...


def asked_for(using: str, mark: _Asking) -> QuerySet[MirrorLink]:
    """The links that a mark asks for."""
    links = MirrorLink.objects.using(using).filter(mirror=mark.model)
    if mark.source == State.RELEASED:
        return links.filter(state=State.RELEASED)
    return links.filter(trouble__in=[mark.source] if mark.source else Trouble.values)


def spread(using: str, mark: MirrorMark) -> None:
    """Mark the next of the sources that a mark asks for, and keep how far that is.

    Each is then dealt with as any that changed: what one raises, no other is left out for.
    """
    declared = registry.get(mark.model)
    after = 0 if mark.cursor is None else mark.cursor
    links = asked_for(using, mark).filter(pk__gt=after).order_by("pk")
    some = [] if declared is None else list(links.values_list("pk", "source")[:LINKS])
    if declared is not None:
        label = label_of(declared.model)
        write(using, [Mark(label, source) for _pk, source in some], bulk=mark.bulk)
    if len(some) < LINKS:
        mark.delete()
    else:
        MirrorMark.objects.using(using).filter(pk=mark.pk).update(cursor=some[-1][0])
