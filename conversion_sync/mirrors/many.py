"""Marks that concern many sources: some of these at a time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from django.db.models import QuerySet

from conversion_sync.mirrors import concerned
from conversion_sync.mirrors.again import spread
from conversion_sync.mirrors.beginnings import began_at
from conversion_sync.mirrors.concerned import What, concerned_by, next_sources, waiting
from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.engagements import time_of
from conversion_sync.mirrors.reading import Reader
from conversion_sync.mirrors.registry import registry
from conversion_sync.mirrors.render import render
from conversion_sync.mirrors.table import label_of
from conversion_sync.models import MirrorLink, MirrorMark
from conversion_sync.models.locking import locking
from conversion_sync.models.messages import Message, stored
from conversion_sync.sync.retry import retried
from conversion_sync.sync.transactions import short_transaction

__all__ = ["go_on", "has_past", "note_past", "note_past_of"]


def go_on(using: str, mark: MirrorMark) -> None:
    """Render some of the sources of a mark that concerns many, and keep how far that is."""
    if mark.what == What.AGAIN:
        spread(using, mark)
        return
    turns = _turns(mark)
    at, after = _place(mark, turns)
    if at >= len(turns):
        mark.delete()
        return
    declared, lookup = turns[at]
    pks = next_sources(declared, lookup, mark, after)
    if mark.what == What.BEGUN:
        note_past_of(using, declared, pks)
    else:
        render(using, declared, pks)
    if len(pks) < concerned.SOURCES:
        at, last = at + 1, None
    else:
        last = str(pks[-1])
    if at >= len(turns):
        mark.delete()
    else:
        name = f"{turns[at][0].label} {turns[at][1]}"
        waiting(using).filter(pk=mark.pk).update(cursor=[name, last])


def _turns(mark: MirrorMark) -> list[tuple[Declared, str]]:
    if mark.what == What.BEGUN:
        declared = registry.get(mark.model)
        return [] if declared is None else [(declared, "")]
    order = [*registry]
    return sorted(concerned_by(mark), key=lambda each: (order.index(each[0]), each[1]))


def _place(mark: MirrorMark, turns: Sequence[tuple[Declared, str]]) -> tuple[int, str | None]:
    """How far a mark has come: from the beginning, where the mirrors are others now."""
    if mark.cursor is not None:
        names = [f"{declared.label} {lookup}" for declared, lookup in turns]
        name, last = mark.cursor
        if name in names:
            return names.index(name), last
    return 0, None


def note_past_of(using: str, declared: Declared, pks: Collection[Any]) -> None:
    """Have these sources be none that happen from now on, but for those that changed since."""
    label, texts = label_of(declared.model), {str(pk) for pk in _without_time(declared, pks)}
    marked = waiting(using).filter(model=label, source__in=texts).values_list("source", flat=True)
    links = MirrorLink.objects.using(using)
    began = began_at(using, declared).isoformat(" ", "minutes")
    known = links.filter(mirror=declared.label, source__in=texts).values_list("source", flat=True)
    links.bulk_create(
        [
            MirrorLink(
                mirror=declared.label,
                source=text,
                kind=declared.kind,
                state=MirrorLink.State.PAST,
                reason=stored(Message.HAPPENED_BEFORE, since=began),
            )
            for text in sorted(texts - {*marked} - {*known})
        ],
        ignore_conflicts=True,
    )


def _without_time(declared: Declared, pks: Collection[Any]) -> Collection[Any]:
    """Those of which a function does not say either when they happened."""
    time = dict(declared.words()).get("occurred_at")
    if time is None or hasattr(time, "resolve_expression"):
        return pks
    found = Reader(declared).read(pks).values()
    told = [each for each in found if not each.fault]
    return [each.pk for each in told if time_of(each.values.get("occurred_at")) is None]


def has_past(using: str, declared: Declared) -> bool:
    """Whether what had happened before the mirror began has still to be told from the rest."""
    return _beginnings(using, declared).exists()


def note_past(using: str, declared: Declared) -> None:
    """Tell what had happened before the mirror began from what happens since."""
    while has_past(using, declared):
        _note_some(using, declared)


@retried
def _note_some(using: str, declared: Declared) -> None:
    with short_transaction(using):
        for mark in locking(_beginnings(using, declared)):
            go_on(using, mark)


def _beginnings(using: str, declared: Declared) -> QuerySet[Any]:
    return waiting(using).filter(model=declared.label, what=What.BEGUN)
