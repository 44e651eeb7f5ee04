"""The marks that changes of the site's models leave, in the transaction of the change.

A save costs one INSERT. It takes no lock of this app's, and nothing is rendered.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.exceptions import ObjectDoesNotExist
from django.db import connections, models, transaction

from conversion_sync.mirrors.followed import sender_of
from conversion_sync.mirrors.heirs import keys_as
from conversion_sync.mirrors.table import Parent, Sender, label_of, text_of
from conversion_sync.models import MirrorMark
from conversion_sync.models.announcement import announce
from conversion_sync.models.attribution import attribution
from conversion_sync.models.chunks import in_chunks
from conversion_sync.models.database import database

__all__ = ["Mark", "What", "changed", "generic_marks", "mirroring", "parents_of", "write"]

What = MirrorMark.What

#: False where the site wants nothing of what it saves to be mirrored.
mirroring: ContextVar[bool] = ContextVar("conversion_sync_mirroring", default=True)

#: Rows in one INSERT: SQLite takes no more than 999 parameters in some builds.
ROWS = 200


@dataclass(frozen=True, slots=True)
class Mark:
    """A row of the site that changed; of a blank ``source`` all rows of the model may have."""

    model: str
    source: str
    what: str = What.CHANGED.value


def write(using: str, marks: Iterable[Mark], *, bulk: bool = False) -> None:
    """Insert marks in the transaction in hand of ``using``, where the site's change is.

    Where this app's rows are in another database, they are written when it commits.

    Args:
        bulk: nobody waits for what they lead to.
    """
    rows = [(each.model, each.source, each.what) for each in dict.fromkeys(marks)]
    if not rows or not mirroring.get():
        return
    ours, bulk = database(), bulk or attribution().bulk
    if ours == using:
        _insert(ours, rows, bulk=bulk)
    else:
        later = functools.partial(_insert, ours, rows, bulk=bulk)
        transaction.on_commit(later, using=using, robust=True)


def _insert(using: str, rows: Sequence[tuple[str, str, str]], *, bulk: bool) -> None:
    connection = connections[using]
    for chunk in in_chunks(rows, ROWS):
        values = [value for row in chunk for value in (*row, bulk)]
        with connection.cursor() as cursor:
            cursor.execute(_statement(connection.vendor, len(chunk)), values)
    announce(using)


@functools.cache
def _statement(vendor: str, rows: int) -> str:
    """The INSERT: the ORM takes as long to put it together as a database to do it."""
    quote = next(each for each in connections.all() if each.vendor == vendor).ops.quote_name
    columns = ", ".join(quote(name) for name in ("model", "source", "what", "bulk"))
    values = ", ".join(["(%s, %s, %s, %s)"] * rows)
    return f"INSERT INTO {quote(MirrorMark._meta.db_table)} ({columns}) VALUES {values}"  # noqa: S608  # names of this app


def changed(using: str, model: type[models.Model], pks: Collection[Any]) -> list[Mark]:
    """The marks of rows of a model by their primary keys, themselves alone."""
    sender, found = sender_of(model), list[Mark]()
    for label, marked in sender.marked.items() if sender else ():
        keys = keys_as(using, model, pks, marked.model)
        found += [Mark(label, text_of(marked.model._meta.pk, key)) for key in keys.values()]
    return found


def generic_marks(using: str, parent: Parent, pairs: Iterable[tuple[Any, Any]]) -> list[Mark]:
    """The marks of those of these rows that are of the parent's model.

    Args:
        using: the database of what refers to them, and so of their content types.
        pairs: the primary keys of their content types, and their own.
    """
    return [
        Mark(parent.label, text_of(model._meta.pk, pk))
        for content_type, pk in pairs
        if content_type is not None
        and pk is not None
        and (model := _model_of(using, content_type)) is not None
        and label_of(model) == parent.label
    ]


def _model_of(using: str, content_type: Any) -> type[models.Model] | None:
    """The model of a content type; None: there is no such type, or no model any more."""
    types: Any = apps.get_model("contenttypes.ContentType")
    try:
        found = types.objects.db_manager(using).get_for_id(content_type)
    except (ObjectDoesNotExist, TypeError, ValueError):
        return None
    model: type[models.Model] | None = found.model_class()
    return model


def parents_of(rows: models.QuerySet[Any], sender: Sender) -> list[Mark]:
    """The marks of the rows that these belong to."""
    found = list[Mark]()
    for parent in sender.parents:
        if parent.content_type:
            names = (parent.content_type, parent.column)
            pairs = rows.order_by().values_list(*names).distinct()
            found += generic_marks(rows.db, parent, pairs)
            continue
        pks = rows.order_by().values_list(f"{parent.column}__pk", flat=True).distinct()
        found += [Mark(parent.label, str(pk)) for pk in pks if pk is not None]
    return found
