"""Why an instance of a site has a row, or has none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import models, router
from django.db.models import Q

from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.heirs import key_as, key_in_database, keys_as
from conversion_sync.mirrors.plan import Plan
from conversion_sync.mirrors.reading import Reader, Reading
from conversion_sync.mirrors.registry import registry
from conversion_sync.mirrors.snapshots import as_json, read_key
from conversion_sync.mirrors.table import label_of, python_key
from conversion_sync.mirrors.words import condition_words, fingerprint
from conversion_sync.models import MirrorLink, MirrorMark
from conversion_sync.models.database import database
from conversion_sync.models.messages import Message, stored
from conversion_sync.status.messages import in_words
from conversion_sync.sync.kinds import MODEL_OF

__all__ = ["Condition", "Explanation", "Standing", "explain", "row_of", "standings"]

Kind = MirrorLink.Kind


@dataclass(frozen=True)
class Condition:
    """A part of ``include``, and whether it holds; None: nobody can tell."""

    words: str
    holds: bool | None


@dataclass(frozen=True)
class Explanation:
    """What one mirror makes of an instance, as it is now.

    Attributes:
        mirror: its label.
        kind: of its rows: ``contact``, ``company`` or ``engagement``.
        is_included: whether it is to have a row.
        conditions: of the mirror, part by part.
        key: that its row has, or would have.
        values: that its row has, or would have, as JSON has them.
        state: as it was last rendered: one of ``MirrorLink.State``; "" if it never was.
        reason: why it has no row, in words; "" if it has one.
        fault: what the mirror raised, and where.
        row: the contact, company or engagement; None if it has none.
        is_marked: a change of it has still to be rendered.
        is_outdated: its row was made by an earlier mapping: ``conversion_mirror`` renders it.
    """

    mirror: str
    kind: str
    is_included: bool
    conditions: Sequence[Condition] = ()
    key: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    state: str = ""
    reason: str = ""
    fault: str = ""
    row: Any = None
    is_marked: bool = False
    is_outdated: bool = False


@dataclass(frozen=True)
class Standing:
    """How an instance stands with a mirror, as that has last looked at it.

    Attributes:
        row: the contact, company or engagement that stands for it; None if there is none.
    """

    link: MirrorLink
    row: Any


def explain(instance: models.Model, *, using: str | None = None) -> list[Explanation]:
    """Say of each mirror of an instance what it makes of it, and why. Writes nothing.

    Args:
        instance: of a model of the site; what counts is what is in the database.
        using: the alias of the database of this app's rows (default: as the routers have it).

    Raises:
        ValueError: the instance has no primary key yet.
    """
    if instance.pk is None:
        raise ValueError(f"{instance!r} was never saved.")
    using = using or database()
    return [_explain(using, each, instance) for each in registry.of(type(instance))]


def row_of(instance: models.Model, kind: Kind, *, using: str | None = None) -> Any:
    """The contact, company or engagement that stands for an instance; None if there is none."""
    using = using or database()
    found = Q(pk=None)
    for each in registry.of(type(instance), kind):
        found |= Q(mirror=each.label, source=str(key_in_database(instance, each.model)))
    links = MirrorLink.objects.using(using).filter(found, kind=kind)
    links = links.exclude(state=MirrorLink.State.WAITING)
    pk = links.filter(row__isnull=False).values_list("row", flat=True).first()
    return None if pk is None else MODEL_OF[kind].unmarked.using(using).filter(pk=pk).first()


def standings(
    model: type[models.Model], pks: Collection[Any], *, using: str | None = None
) -> dict[str, list[Standing]]:
    """How instances of a model stand with each mirror, by the texts of their primary keys.

    A query for the links, and one for each kind of rows.
    """
    using, found = using or database(), defaultdict[str, list[Standing]](list)
    instances = dict[tuple[str, str], str]()
    wanted = Q(pk=None)
    for each in registry.of(model):
        keys = keys_as(router.db_for_read(model), model, pks, each.model)
        texts = {str(python_key(each.model, key)): str(pk) for pk, key in keys.items()}
        instances |= {(each.label, text): pk for text, pk in texts.items()}
        wanted |= Q(mirror=each.label, source__in=[*texts])
    links = list(MirrorLink.objects.using(using).filter(wanted).order_by("kind", "pk"))
    rows = _rows(using, links)
    for link in links:
        row = rows.get((link.kind, link.row))
        found[instances[link.mirror, link.source]].append(Standing(link, row))
    return dict(found)


def _rows(using: str, links: Iterable[MirrorLink]) -> dict[tuple[str, int | None], Any]:
    """The rows of these links, by their kinds and primary keys."""
    pks = defaultdict[str, list[int]](list)
    for link in links:
        # Of one that waits for its turn, the row is another's.
        if link.row is not None and link.state != MirrorLink.State.WAITING:
            pks[link.kind].append(link.row)
    return {
        (kind, row.pk): row
        for kind, some in pks.items()
        for row in MODEL_OF[kind].unmarked.using(using).filter(pk__in=some)
    }


def _explain(using: str, declared: Declared, instance: models.Model) -> Explanation:
    pk = key_in_database(instance, declared.model)
    text, texts = str(pk), {str(pk), str(key_as(instance, declared.model))}
    links = MirrorLink.objects.using(using).filter(mirror=declared.label, source=text)
    link = links.first() or MirrorLink(state="")
    reading = Reader(declared).read([pk]).get(pk)
    plan = Plan(MirrorLink(), reading)
    if reading is not None and not (reading.fault or reading.unmet):
        _see_key(declared, plan)
    fault = reading.fault if reading else ""
    row = None
    if link.row is not None:
        row = MODEL_OF[declared.kind].unmarked.using(using).filter(pk=link.row).first()
    marks = MirrorMark.objects.using(using).filter(model=label_of(declared.model), source__in=texts)
    return Explanation(
        mirror=declared.label,
        kind=str(declared.kind),
        is_included=plan.wants,
        conditions=_conditions(declared, reading),
        key=plan.key or link.key,
        values=_values(reading),
        state=link.state,
        reason=in_words(plan.leaves or plan.link.reason or link.reason or _absence(reading)),
        fault=fault or link.fault,
        row=row,
        is_marked=marks.exists(),
        is_outdated=bool(link.mapping) and link.mapping != fingerprint(declared),
    )


def _absence(reading: Reading | None) -> str:
    """Why nothing was ever made of an instance that is none of the mirror's sources."""
    return stored(Message.NOT_A_SOURCE) if reading is None else ""


def _see_key(declared: Declared, plan: Plan) -> None:
    if declared.kind is Kind.ENGAGEMENT:
        plan.wants = True
    else:
        read_key(plan, declared.kind)


def _conditions(declared: Declared, reading: Reading | None) -> list[Condition]:
    words = condition_words(declared)
    if reading is None:
        return [Condition("source", False), *(Condition(each, None) for each in words)]
    if reading.fault:
        return [Condition(each, None) for each in words]
    return [Condition(each, number not in reading.unmet) for number, each in enumerate(words)]


def _values(reading: Reading | None) -> dict[str, Any]:
    """The values as JSON has them; those that it has no word for, as Python writes them."""
    found = dict[str, Any]()
    for name, value in (reading.values if reading else {}).items():
        try:
            found[name] = as_json(name, value)
        except ValueError:
            found[name] = repr(value)
    return found
