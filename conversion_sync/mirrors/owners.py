"""The source that has a row: what it says now, and whether it is looked at again."""

from __future__ import annotations

from typing import Any

from conversion_sync.mirrors.marks import Mark
from conversion_sync.mirrors.plan import Plan
from conversion_sync.mirrors.reading import Reader
from conversion_sync.mirrors.registry import registry
from conversion_sync.mirrors.snapshots import read_key
from conversion_sync.mirrors.table import label_of
from conversion_sync.models import MirrorLink, MirrorMark
from conversion_sync.models.messages import Message

__all__ = ["as_it_is_now", "is_marked", "mark_of"]


def as_it_is_now(link: MirrorLink) -> Plan:
    """What the source of a link says now."""
    declared = registry.get(link.mirror)
    assert declared is not None  # noqa: S101  # others own nothing
    primary_key: Any = declared.model._meta.pk
    pk = primary_key.to_python(link.source)
    reading = Reader(declared).read([pk]).get(pk)
    plan = Plan(MirrorLink(), reading)
    if reading is None or reading.unmet:
        plan.leave(Message.SOURCE_GONE)
    elif reading.fault:
        plan.is_stuck = True
    else:
        read_key(plan, declared.kind)
    return plan


def mark_of(link: MirrorLink) -> Mark:
    """The mark by which the source of a link is looked at again."""
    declared = registry.get(link.mirror)
    return Mark(label_of(declared.model) if declared else "", link.source)


def is_marked(using: str, link: MirrorLink) -> bool:
    """Whether the source of a link is looked at again anyway."""
    mark = mark_of(link)
    marks = MirrorMark.objects.using(using)
    return marks.filter(model=mark.model, source=mark.source).exists()
