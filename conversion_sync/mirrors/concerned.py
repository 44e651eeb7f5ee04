"""Which mirrors, and which of their sources, a mark concerns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, cast

from django.db import models, router
from django.db.models import Q, QuerySet

from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.followed import table
from conversion_sync.mirrors.links import key_of_target
from conversion_sync.mirrors.reading import Reader
from conversion_sync.mirrors.registry import registry
from conversion_sync.mirrors.spelling import as_stored
from conversion_sync.mirrors.table import Left, label_of
from conversion_sync.models import MirrorLink, MirrorMark

__all__ = ["SOURCES", "What", "concerned_by", "next_sources", "sources_of", "waiting"]

What, Kind = MirrorMark.What, MirrorLink.Kind

#: Sources of one transaction.
SOURCES = 200

_TIME = "conversion_sync_time"


def waiting(using: str) -> QuerySet[Any]:
    """The marks that are to be rendered."""
    return MirrorMark.objects.using(using).all()


def concerned_by(mark: MirrorMark) -> Iterator[tuple[Declared, str]]:
    """The mirrors that a mark concerns, and the path from their sources to the row."""
    if mark.what == What.HANDED:
        pairs = [(each.mirror, each.lookup) for each in table().references.get(mark.model, ())]
    else:
        pairs = [(each.mirror, each.lookup) for each in table().concerns.get(mark.model, ())]
    for label, lookup in pairs:
        if (declared := registry.get(label)) is not None and not declared.broken:
            yield declared, lookup


def sources_of(
    using: str, marks: Sequence[MirrorMark]
) -> Mapping[Declared, Mapping[str, Any]] | None:
    """The sources that these marks concern; None: they are too many for one transaction."""
    by_concern = defaultdict[tuple[Declared, str, str], list[str]](list)
    for mark in marks:
        for declared, lookup in concerned_by(mark):
            by_concern[declared, lookup, mark.what].append(mark.source)
    wanted = defaultdict[Declared, dict[str, Any]](dict)
    for (declared, lookup, what), texts in by_concern.items():
        if not lookup and what != What.HANDED:
            pks = _with_stored(declared.model, _primary_keys(declared.model, texts))
        else:
            pks = _led_to(using, declared, lookup, what, texts)
        if len(pks) > SOURCES:
            return None
        wanted[declared] |= {str(pk): pk for pk in pks}
    return wanted


def _primary_keys(model: type[models.Model], texts: Collection[str]) -> list[Any]:
    primary_key: Any = model._meta.pk
    return [primary_key.to_python(text) for text in dict.fromkeys(texts)]


def _with_stored(model: type[models.Model], pks: list[Any]) -> list[Any]:
    """These primary keys, and those of rows that the database takes for the same."""
    spelled = as_stored(router.db_for_write(model), model, pks)
    return [*dict.fromkeys([*spelled.values(), *pks])]


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


def _without_time(declared: Declared, rows: QuerySet[Any]) -> QuerySet[Any]:
    """Those that are included and have no time, as far as the database can tell."""
    if isinstance(declared.include, Q):
        rows = rows.filter(declared.include)
    time = dict(declared.words()).get("occurred_at")
    if hasattr(time, "resolve_expression"):
        rows = rows.alias(**{_TIME: time}).filter(**{f"{_TIME}__isnull": True})
    return rows


def next_sources(declared: Declared, lookup: str, mark: MirrorMark, after: str | None) -> list[Any]:
    rows = Reader(declared).sources().order_by("pk").distinct()
    if mark.what == What.BEGUN:
        rows = _without_time(declared, rows)
    if mark.source:
        condition = _condition(declared, lookup, mark.what, [mark.source])
        if condition is None:
            return []
        rows = rows.filter(condition)
    if after is not None:
        rows = rows.filter(pk__gt=_primary_keys(declared.model, [after])[0])
    return list(rows.values_list("pk", flat=True)[:SOURCES])
