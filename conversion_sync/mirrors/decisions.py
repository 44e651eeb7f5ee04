"""What a person decides of sources: that they are looked at again, that those held may leave."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

from conversion_sync.mirrors.again import asked_for
from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.marks import Mark, What, write
from conversion_sync.mirrors.registry import registry
from conversion_sync.mirrors.render import Report, render
from conversion_sync.mirrors.table import label_of
from conversion_sync.models import MirrorLink, MirrorState
from conversion_sync.models.chunks import in_chunks
from conversion_sync.models.clock import DbNow
from conversion_sync.models.locking import locking
from conversion_sync.sync.retry import retried
from conversion_sync.sync.transactions import short_transaction

__all__ = ["let_leave", "look_again", "look_again_at_all", "release"]

State = MirrorLink.State

#: Sources of one statement.
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


def look_again_at_all(using: str, declared: Declared, trouble: str = "") -> int:
    """Have the next drains look at the sources of a mirror with this trouble: one INSERT.

    Args:
        trouble: one of ``MirrorLink.Trouble``; blank: any.

    Returns:
        How many they are now.
    """
    mark = Mark(declared.label, trouble, What.AGAIN.value)
    write(using, [mark], bulk=True)
    return asked_for(using, mark).count()


def let_leave(
    using: str, declared: Declared, *, at_most: int | None = None, requested_by: str = ""
) -> int:
    """Let those leave that are held now: all or none, and none that is held from now on.

    The next drains see to it, and this waits for none. Who is included again by then stays. Others
    that leave after that are counted anew.

    Args:
        at_most: so many were confirmed: where more are held, none leaves.
        requested_by: the name of who decided it, for the consent log.

    Returns:
        How many they are.
    """
    with short_transaction(using):
        held = _of(using, declared, State.HELD)
        limit = None if at_most is None else at_most + 1
        # In the order in which a drain would lock them.
        links = locking(held.order_by("pk"))
        pks = list(links.values_list("pk", flat=True)[:limit])
        if not pks or len(pks) == limit:
            return 0
        for chunk in in_chunks(pks, SOURCES):
            some = MirrorLink.objects.using(using).filter(pk__in=chunk)
            some.update(state=State.RELEASED, trouble=None)
        states = MirrorState.objects.using(using).filter(mirror=declared.label)
        states.update(released_at=DbNow(), released_by=requested_by)
        write(using, [Mark(declared.label, State.RELEASED.value, What.AGAIN.value)], bulk=True)
    return len(pks)


def release(using: str, declared: Declared, *, requested_by: str = "") -> Report:
    """As ``let_leave``, and see to it at once."""
    retried(let_leave)(using, declared, requested_by=requested_by)
    report, primary_key = Report(), _primary_key(declared)
    for chunk in _chunks(_of(using, declared, State.RELEASED)):
        pks = [primary_key.to_python(link.source) for link in chunk]
        report.add(retried(render)(using, declared, pks))
    return report


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
