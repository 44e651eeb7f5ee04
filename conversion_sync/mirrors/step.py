"""The drain's step: marks, the oldest first, rendered into rows."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, cast

from django.db import models
from django.db.models import Q, QuerySet

from conversion_sync.mirrors.beginnings import began_at, begin
from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.follow import Left, label_of
from conversion_sync.mirrors.links import key_of_target
from conversion_sync.mirrors.marks import table
from conversion_sync.mirrors.reading import Reader, fault_in_words
from conversion_sync.mirrors.registry import registry
from conversion_sync.mirrors.render import render
from conversion_sync.models import MirrorLink, MirrorMark
from conversion_sync.models.locking import locking
from conversion_sync.models.messages import Message, stored
from conversion_sync.sync.error_text import is_of_the_database
from conversion_sync.sync.retry import retried
from conversion_sync.sync.transactions import short_transaction

__all__ = ["NAME", "has_past", "note_past", "step", "waiting"]

logger = logging.getLogger(__name__)

What, Kind = MirrorMark.What, MirrorLink.Kind

#: What the drain calls the step.
NAME = "mirror"

#: Marks, and sources, of one transaction.
MARKS, SOURCES = 200, 200

#: Seconds for which one step goes on.
STEP_SECONDS = 0.1


def waiting(using: str) -> QuerySet[Any]:
    """The marks that are to be rendered."""
    return MirrorMark.objects.using(using).all()


def step(using: str) -> int:
    """Go on for a moment. Returns the number of marks and sources dealt with."""
    end, done = time.monotonic() + STEP_SECONDS, 0
    begin(using)
    while time.monotonic() < end:
        if not (dealt := _once(using)):
            break
        done += dealt
    return done


@retried
def _once(using: str) -> int:
    """Deal with the oldest marks that nobody else deals with."""
    try:
        with short_transaction(using):
            marks = _locked(using, MARKS)
            return _deal_with(using, marks)
    except Exception as error:
        if is_of_the_database(error):
            raise
        # What it was is seen where they are alone.
        return sum(_alone(using, pk) for pk in _oldest(using))


def _locked(using: str, most: int) -> list[MirrorMark]:
    return list(locking(waiting(using).order_by("pk")[:most], skip_locked=True))


def _oldest(using: str) -> list[int]:
    return list(waiting(using).order_by("pk").values_list("pk", flat=True)[:MARKS])


def _alone(using: str, pk: int) -> int:
    """Deal with one mark; where that raises, its sources say so, and it is gone."""
    try:
        with short_transaction(using):
            rows = waiting(using).filter(pk=pk)
            return _deal_with(using, list(locking(rows, skip_locked=True)))
    except Exception as error:
        if is_of_the_database(error):
            raise
        logger.error("The mark %s could not be rendered (%s).", pk, type(error).__name__)
        with short_transaction(using):
            for mark in waiting(using).filter(pk=pk):
                _record(using, mark, fault_in_words(error))
                mark.delete()
        return 1


def _record(using: str, mark: MirrorMark, fault: str) -> None:
    """Have the sources of a mark, where it is one by itself, say what was raised."""
    said = {"fault": fault, "trouble": MirrorLink.Trouble.FAULT}
    for declared, lookup in _concerned(mark):
        if not lookup and mark.source:
            MirrorLink.objects.using(using).update_or_create(
                mirror=declared.label,
                source=mark.source,
                defaults=said,
                create_defaults={
                    "kind": declared.kind,
                    "state": MirrorLink.State.EXCLUDED,
                    **said,
                },
            )


def _deal_with(using: str, marks: Sequence[MirrorMark]) -> int:
    """Render what these marks concern: all of it, or, of one that concerns many, some."""
    few = [mark for mark in marks if mark.cursor is None and not _concerns_all(mark)]
    many = [mark for mark in marks if mark not in few][:1]
    while few and (wanted := _wanted(using, few)) is None:
        # The others are left for the next time. One alone is looked through by steps.
        many = many if len(few) > 1 else [*few, *many][:1]
        few = few[: len(few) // 2]
    if few:
        urgent = {(mark.model, mark.source) for mark in few if not mark.bulk}
        for declared in registry:
            _render(using, declared, (wanted or {}).get(declared, {}), urgent)
        waiting(using).filter(pk__in=[mark.pk for mark in few]).delete()
    for mark in many:
        _go_on(using, mark)
    return len(few) + len(many)


def _concerns_all(mark: MirrorMark) -> bool:
    return mark.what == What.BEGUN or not mark.source


def _wanted(using: str, marks: Sequence[MirrorMark]) -> Mapping[Declared, Mapping[str, Any]] | None:
    """The sources that these marks concern; None: they are too many for one transaction."""
    by_concern = defaultdict[tuple[Declared, str, str], list[str]](list)
    for mark in marks:
        for declared, lookup in _concerned(mark):
            by_concern[declared, lookup, mark.what].append(mark.source)
    wanted = defaultdict[Declared, dict[str, Any]](dict)
    for (declared, lookup, what), texts in by_concern.items():
        if not lookup and what != What.HANDED:
            pks = _primary_keys(declared.model, texts)
        else:
            pks = _led_to(using, declared, lookup, what, texts)
        if len(pks) > SOURCES:
            return None
        wanted[declared] |= {str(pk): pk for pk in pks}
    return wanted


def _render(
    using: str, declared: Declared, sources: Mapping[str, Any], urgent: set[tuple[str, str]]
) -> None:
    """Render sources: those at once that a person has saved."""
    label = label_of(declared.model)
    now = {text: pk for text, pk in sources.items() if (label, text) in urgent}
    later = [pk for text, pk in sources.items() if text not in now]
    if now:
        render(using, declared, list(now.values()), bulk=False)
    if later:
        render(using, declared, later)


def _concerned(mark: MirrorMark) -> Iterator[tuple[Declared, str]]:
    """The mirrors that a mark concerns, and the path from their sources to the row."""
    if mark.what == What.HANDED:
        pairs = [(each.mirror, each.lookup) for each in table().references.get(mark.model, ())]
    else:
        pairs = [(each.mirror, each.lookup) for each in table().concerns.get(mark.model, ())]
    for label, lookup in pairs:
        if (declared := registry.get(label)) is not None:
            yield declared, lookup


def _primary_keys(model: type[models.Model], texts: Collection[str]) -> list[Any]:
    primary_key: Any = model._meta.pk
    return [primary_key.to_python(text) for text in dict.fromkeys(texts)]


def _led_to(
    using: str, declared: Declared, lookup: str, what: str, texts: Collection[str]
) -> list[Any]:
    """The sources that lead to these rows, or did: at most one more than a few."""
    if what == What.HANDED and declared.kind is Kind.ENGAGEMENT:
        return _waiting_for(using, declared, lookup, texts)
    condition = _condition(declared, lookup, what, texts)
    if condition is None:
        return []
    rows = Reader(declared).sources().filter(condition).order_by("pk").distinct()
    return list(rows.values_list("pk", flat=True)[: SOURCES + 1])


def _waiting_for(using: str, declared: Declared, lookup: str, texts: Collection[str]) -> list[Any]:
    """The sources that wait for these: what was entered is looked at no more."""
    model = _model_at(declared, lookup)
    links = MirrorLink.objects.using(using).filter(
        kind=Kind.ENGAGEMENT,
        key__in=[key_of_target(model, text) for text in texts],
        mirror=declared.label,
        state=MirrorLink.State.WAITING,
    )
    return _primary_keys(declared.model, links.values_list("source", flat=True)[: SOURCES + 1])


def _condition(declared: Declared, lookup: str, what: str, texts: Collection[str]) -> Q | None:
    """Which sources are concerned by a change of these rows; None: none."""
    model = _model_at(declared, lookup)
    if what != What.DELETED:
        name = f"{lookup}__pk__in" if lookup else "pk__in"
        return Q(**{name: _primary_keys(model, texts)})
    concerns = table().concerns.get(label_of(model), ())
    left = {
        each.left for each in concerns if (each.mirror, each.lookup) == (declared.label, lookup)
    }
    if Left.ANY in left:
        return Q()
    return Q(**{f"{lookup}__isnull": True}) if Left.NULL in left else None


def _model_at(declared: Declared, lookup: str) -> type[models.Model]:
    """The model to which a path leads."""
    model: Any = declared.model
    for name in lookup.split("__") if lookup else ():
        field = model._meta.pk if name == "pk" else model._meta.get_field(name)
        model = field.related_model or model
    return cast("type[models.Model]", model)


def has_past(using: str, declared: Declared) -> bool:
    """Whether what had happened before the mirror began has still to be told from the rest."""
    return _beginnings(using, declared).exists()


def note_past(using: str, declared: Declared) -> None:
    """Tell what had happened before the mirror began from what happens since."""
    while has_past(using, declared):
        with short_transaction(using):
            for mark in locking(_beginnings(using, declared)):
                _go_on(using, mark)


def _beginnings(using: str, declared: Declared) -> QuerySet[Any]:
    return waiting(using).filter(model=declared.label, what=What.BEGUN)


# Marks that concern many sources


def _go_on(using: str, mark: MirrorMark) -> None:
    """Render some of the sources of a mark that concerns many, and keep how far that is."""
    turns = _turns(mark)
    at, after = _place(mark, turns)
    if at >= len(turns):
        mark.delete()
        return
    declared, lookup = turns[at]
    pks = _next(declared, lookup, mark, after)
    if mark.what == What.BEGUN:
        _note_the_past(using, declared, pks)
    else:
        render(using, declared, pks)
    if len(pks) < SOURCES:
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
    return sorted(_concerned(mark), key=lambda each: (order.index(each[0]), each[1]))


def _place(mark: MirrorMark, turns: Sequence[tuple[Declared, str]]) -> tuple[int, str | None]:
    """How far a mark has come: from the beginning, where the mirrors are others now."""
    if mark.cursor is not None:
        names = [f"{declared.label} {lookup}" for declared, lookup in turns]
        name, last = mark.cursor
        if name in names:
            return names.index(name), last
    return 0, None


def _next(declared: Declared, lookup: str, mark: MirrorMark, after: str | None) -> list[Any]:
    rows = Reader(declared).sources().order_by("pk").distinct()
    if mark.what == What.BEGUN and isinstance(declared.include, Q):
        rows = rows.filter(declared.include)
    if mark.source:
        condition = _condition(declared, lookup, mark.what, [mark.source])
        if condition is None:
            return []
        rows = rows.filter(condition)
    if after is not None:
        rows = rows.filter(pk__gt=_primary_keys(declared.model, [after])[0])
    return list(rows.values_list("pk", flat=True)[:SOURCES])


def _note_the_past(using: str, declared: Declared, pks: Collection[Any]) -> None:
    """Have these sources be none that happen from now on, but for those that changed since."""
    label, texts = label_of(declared.model), {str(pk) for pk in pks}
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
