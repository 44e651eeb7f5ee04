"""The links of sources to their rows: read under their lock, written in few statements."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.db import connections, models, router

from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.heirs import keys_as
from conversion_sync.mirrors.registry import registry
from conversion_sync.models import MirrorLink
from conversion_sync.models.locking import locking

__all__ = ["key_of_target", "links_of", "rows_of", "standing_for", "write_links"]

Kind = MirrorLink.Kind

#: What rendering writes of a link.
COLUMNS = (
    "state",
    "row",
    "key",
    "reason",
    "fault",
    "mapping",
    "names",
    "left_at",
    "orphans",
    "trouble",
)


def links_of(using: str, declared: Declared, sources: Iterable[str]) -> dict[str, MirrorLink]:
    """The links of these sources by the texts of their primary keys, locked; new ones are unsaved.

    Two that render a new source at once both insert its link: one of them begins anew.
    """
    texts = sorted(sources)
    table = MirrorLink.objects.using(using).filter(mirror=declared.label, source__in=texts)
    found = {link.source: link for link in locking(table.order_by("pk"))}
    return {
        text: found.get(text)
        or MirrorLink(
            mirror=declared.label,
            source=text,
            kind=declared.kind,
            state=MirrorLink.State.EXCLUDED,
        )
        for text in texts
    }


def write_links(
    using: str, before: dict[str, tuple[Any, ...]], links: Sequence[MirrorLink]
) -> None:
    """Write those of the links that differ from what they were.

    Args:
        before: ``said(link)`` of each by its source.
    """
    table: Any = MirrorLink.objects.using(using)
    for each in links:
        each.note_trouble()
    changed = [each for each in links if each.pk and said(each) != before[each.source]]
    # Rows may pass from one to the other.
    moved = [each.pk for each in changed if each.row != before[each.source][1]]
    if moved:
        table.filter(pk__in=moved).update(row=None)
    _update(using, changed)
    table.bulk_create([each for each in links if each.pk is None])


def said(link: MirrorLink) -> tuple[Any, ...]:
    """What rendering writes of a link."""
    return tuple(getattr(link, name) for name in COLUMNS)


def _update(using: str, links: Sequence[MirrorLink]) -> None:
    if not links:
        return
    connection = connections[using]
    quote, opts = connection.ops.quote_name, MirrorLink._meta
    fields: list[models.Field[Any, Any]] = [opts.get_field(name) for name in COLUMNS]  # type: ignore[misc]  # columns
    assignments = ", ".join(f"{quote(str(field.column))} = %s" for field in fields)
    sql = f"UPDATE {quote(opts.db_table)} SET {assignments} WHERE {quote('id')} = %s"  # noqa: S608  # names of this app
    rows = [(*(_prepared(field, each, connection) for field in fields), each.pk) for each in links]
    with connection.cursor() as cursor:
        cursor.executemany(sql, rows)


def _prepared(field: models.Field[Any, Any], link: MirrorLink, connection: Any) -> Any:
    return field.get_db_prep_save(getattr(link, str(field.attname)), connection=connection)


def standing_for(model: type[models.Model], kind: Kind) -> list[Declared]:
    """The mirrors whose rows may stand for the instances of a model."""
    concrete = model._meta.concrete_model or model
    found = list[Declared]()
    for each in registry:
        other = each.model._meta.concrete_model or each.model
        if each.kind is kind and (issubclass(concrete, other) or issubclass(other, concrete)):
            found.append(each)
    return found


def rows_of(
    using: str, model: type[models.Model], kind: Kind, pks: Collection[Any]
) -> dict[str, int]:
    """The rows that stand for these instances, by the texts of their primary keys."""
    site, found = router.db_for_write(model), dict[str, int]()
    for declared in standing_for(model, kind) if pks else ():
        texts = {str(key): str(pk) for pk, key in keys_as(site, model, pks, declared.model).items()}
        links = MirrorLink.objects.using(using).filter(
            mirror=declared.label, source__in=[*texts], row__isnull=False
        )
        # Of one that waits for its turn, the row is another's.
        links = links.exclude(state=MirrorLink.State.WAITING)
        for source, row in links.values_list("source", "row"):
            found[texts[source]] = row or 0
    return found


def key_of_target(model: type[models.Model], pk: Any) -> str:
    """By which a link says that it waits for an instance."""
    return f"{(model._meta.concrete_model or model)._meta.label_lower}:{pk}"
