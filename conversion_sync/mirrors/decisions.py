"""What a person decides of sources: that they are looked at again, that those held may leave."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.marks import Mark, write
from conversion_sync.mirrors.registry import registry
from conversion_sync.mirrors.render import Report, render
from conversion_sync.mirrors.table import label_of
from conversion_sync.models import MirrorLink, MirrorState
from conversion_sync.models.clock import DbNow
from conversion_sync.models.locking import locking
from conversion_sync.sync.transactions import short_transaction

__all__ = ["let_leave", "look_again", "release"]

State = MirrorLink.State

#: Sources of one transaction.
SOURCES = 500


def look_again(using: str, links: QuerySet[MirrorLink]) -> int:
    """Have the next drain look at the sources of these links.

    Returns:
        How many they are; those of a mirror that is declared no more are left out.
    """
    marked = 0
    for chunk in _chunks(links):
        marks = [
            Mark(label_of(declared.model), link.source)
            for link in chunk
            if (declared := registry.get(link.mirror)) is not None
        ]
        write(using, marks, bulk=len(marks) > 1)
        marked += len(marks)
    return marked


def let_leave(using: str, declared: Declared, *, requested_by: str = "") -> int:
    """Let those leave that are held now; the next drains see to it, and this waits for none.

    Who is included again by then stays. Others that leave after that are counted anew.

    Args:
        requested_by: the name of who decided it, for the consent log.

    Returns:
        How many they are.
    """
    states = MirrorState.objects.using(using).filter(mirror=declared.label)
    states.update(released_at=DbNow(), released_by=requested_by)
    label, count = label_of(declared.model), 0
    held = _of(using, declared, State.HELD)
    while some := _released(using, held, label):
        count += some
    return count


def release(using: str, declared: Declared, *, requested_by: str = "") -> Report:
    """As ``let_leave``, and see to it at once."""
    let_leave(using, declared, requested_by=requested_by)
    report, primary_key = Report(), _primary_key(declared)
    for chunk in _chunks(_of(using, declared, State.RELEASED)):
        report.add(render(using, declared, [primary_key.to_python(link.source) for link in chunk]))
    return report


def _released(using: str, held: QuerySet[MirrorLink], label: str) -> int:
    """Release some of these, in the order in which a drain would lock them."""
    with short_transaction(using):
        some = list(locking(held.order_by("pk")[:SOURCES]))
        pks = [link.pk for link in some]
        MirrorLink.objects.using(using).filter(pk__in=pks).update(
            state=State.RELEASED, trouble=None
        )
        write(using, [Mark(label, link.source) for link in some], bulk=True)
    return len(some)


def _of(using: str, declared: Declared, state: State) -> QuerySet[MirrorLink]:
    return MirrorLink.objects.using(using).filter(mirror=declared.label, state=state)


def _chunks(links: QuerySet[MirrorLink]) -> Iterator[list[MirrorLink]]:
    """These links, each once, whatever becomes of them meanwhile."""
    last = 0
    while chunk := list(links.filter(pk__gt=last).order_by("pk")[:SOURCES]):
        yield chunk
        last = chunk[-1].pk


def _primary_key(declared: Declared) -> Any:
    return declared.model._meta.pk
