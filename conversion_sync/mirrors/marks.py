"""The marks that changes of the site's models leave, in the transaction of the change.

A save costs one INSERT. It takes no lock of this app's, and nothing is rendered.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.db import connections, models, router, transaction
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save

from conversion_sync.mirrors.follow import Sender, Table, label_of, table_of
from conversion_sync.mirrors.registry import registry
from conversion_sync.models import MirrorMark
from conversion_sync.models.announcement import announce
from conversion_sync.models.attribution import attribution
from conversion_sync.models.chunks import in_chunks
from conversion_sync.models.database import database

__all__ = ["Mark", "changed", "connect", "mirroring", "parents_of", "sender_of", "table", "write"]

logger = logging.getLogger(__name__)

What = MirrorMark.What

#: False where the site wants nothing of what it saves to be mirrored.
mirroring: ContextVar[bool] = ContextVar("conversion_sync_mirroring", default=True)

#: Rows in one INSERT: SQLite takes no more than 999 parameters in some builds.
ROWS = 200

#: The attribute of an instance in which the rows it belonged to are kept during a save.
_BEFORE = "_conversion_sync_parents"

#: By which it is known that a model's ``save_base`` is this module's.
_OURS = "_conversion_sync_atomic"

_UID = "conversion_sync.mirrors"


@dataclass(frozen=True, slots=True)
class Mark:
    """A row of the site that changed; of a blank ``source`` all rows of the model may have."""

    model: str
    source: str
    what: str = What.CHANGED.value


class _Followed:
    """What is followed now; made when it is first asked for."""

    table: Table | None = None


def table() -> Table:
    """What concerns the mirrors that are declared."""
    if _Followed.table is None:
        _Followed.table = table_of(registry)
    return _Followed.table


def sender_of(model: type[models.Model]) -> Sender | None:
    """What a change of an instance of this model marks; None: no mirror reads it."""
    return table().senders.get(model)


def connect() -> None:
    """Hear of the changes of all models that mirrors read, and of no other."""
    before = _Followed.table
    for model in before.senders if before else ():
        for signal in (pre_save, post_save, post_delete):
            signal.disconnect(sender=model, dispatch_uid=_UID)
    for through in before.through if before else ():
        m2m_changed.disconnect(sender=through, dispatch_uid=_UID)
    _Followed.table = None
    for model, sender in table().senders.items():
        _make_atomic(model)
        if sender.parents:
            pre_save.connect(_remember_parents, sender=model, dispatch_uid=_UID)
        post_save.connect(_saved, sender=model, dispatch_uid=_UID)
        post_delete.connect(_deleted, sender=model, dispatch_uid=_UID)
    for through in table().through:
        m2m_changed.connect(_linked, sender=through, dispatch_uid=_UID)


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


# What is heard


def changed(model: type[models.Model], pks: Iterable[Any], what: str = What.CHANGED) -> list[Mark]:
    """The marks of rows of a model by their primary keys, themselves alone."""
    sender = sender_of(model)
    found = list[Mark]()
    for label in sender.marked if sender else ():
        found += [Mark(label, str(pk), what) for pk in pks]
    return found


def parents_of(rows: models.QuerySet[Any], sender: Sender) -> list[Mark]:
    """The marks of the rows that these belong to."""
    found = list[Mark]()
    for parent in sender.parents:
        pks = rows.order_by().values_list(f"{parent.column}__pk", flat=True).distinct()
        found += [Mark(parent.label, str(pk)) for pk in pks if pk is not None]
    return found


def _never_in_the_way(
    receiver: Callable[..., Iterable[Mark]],
) -> Callable[..., None]:
    """What is wrong here is logged, and no reason for a save of the site to fail."""

    @functools.wraps(receiver)
    def heard(sender: type[models.Model], using: str | None = None, **kwargs: Any) -> None:
        if not mirroring.get() or using is None:
            return
        try:
            marks = list(receiver(sender, using=using, **kwargs))
        except (AttributeError, LookupError, TypeError, ValueError):
            logger.exception("A change of %s was not marked for its mirrors.", sender._meta.label)
        else:
            write(using, marks)

    return heard


def _remember_parents(
    sender: type[models.Model], instance: Any, using: str, update_fields: Any = None, **kwargs: Any
) -> None:
    """Before a save that may move a row: to which rows it belonged."""
    found = sender_of(sender)
    if found is None or instance._state.adding or not mirroring.get():
        return
    if update_fields is not None and not _moves(sender, found, update_fields):
        return
    rows = sender._base_manager.using(using).filter(pk=instance.pk)
    instance.__dict__[_BEFORE] = parents_of(rows, found)


def _moves(model: type[models.Model], sender: Sender, update_fields: Collection[str]) -> bool:
    names = {parent.column for parent in sender.parents}
    columns = {_field(model, name).attname for name in names}
    return not (names | columns).isdisjoint(update_fields)


@_never_in_the_way
def _saved(
    sender: type[models.Model], instance: Any, update_fields: Any = None, **kwargs: Any
) -> Iterable[Mark]:
    before: list[Mark] = instance.__dict__.pop(_BEFORE, [])
    if (found := sender_of(sender)) is None:
        return []
    marks = [
        Mark(label, str(getattr(instance, attribute)))
        for label, (attribute, reads) in found.marked.items()
        if _reads(reads, update_fields)
    ]
    if found.parents and _reads(found.reads, update_fields):
        marks += before + _parents(instance, found)
    return marks


def _reads(reads: frozenset[str] | None, update_fields: Any) -> bool:
    return update_fields is None or reads is None or not reads.isdisjoint(update_fields)


def _parents(instance: Any, sender: Sender) -> list[Mark]:
    """The marks of the rows that an instance belongs to, as it is in memory."""
    found = list[Mark]()
    for parent in sender.parents:
        column = _field(type(instance), parent.column)
        value = getattr(instance, column.attname)
        if value is not None and not column.target_field.primary_key:
            rows = column.related_model._base_manager.using(instance._state.db)
            by_column = {column.target_field.attname: value}
            value = rows.filter(**by_column).values_list("pk", flat=True).first()
        if value is not None:
            found.append(Mark(parent.label, str(value)))
    return found


def _field(model: type[models.Model], name: str) -> Any:
    return model._meta.get_field(name)


@_never_in_the_way
def _deleted(sender: type[models.Model], instance: Any, **kwargs: Any) -> Iterable[Mark]:
    if (found := sender_of(sender)) is None:
        return []
    marks = [
        Mark(label, str(getattr(instance, attribute)), What.DELETED.value)
        for label, (attribute, _) in found.marked.items()
    ]
    return marks + _parents(instance, found)


@_never_in_the_way
def _linked(
    sender: type[models.Model],
    using: str,
    instance: Any,
    action: str,
    reverse: bool,
    model: type[models.Model],
    pk_set: Collection[Any] | None,
    **kwargs: Any,
) -> Iterable[Mark]:
    """A many-to-many relation: who reads it is marked, on whichever side it was written."""
    if action not in ("post_add", "post_remove", "pre_clear"):
        return
    for label, is_own in table().through[sender]:
        if is_own != reverse:
            yield Mark(label, str(instance.pk))
            continue
        pks = pk_set
        if pks is None:
            pks = _linked_to(sender, instance, label, using)
        yield from (Mark(label, str(pk)) for pk in pks)


def _linked_to(
    through: type[models.Model], instance: Any, label: str, using: str
) -> Collection[Any]:
    """The rows of the other side, before they are cleared."""
    columns = [
        field for field in through._meta.concrete_fields if isinstance(field, models.ForeignKey)
    ]
    here = next(each for each in columns if isinstance(instance, each.related_model))
    others = (each for each in columns if each is not here)
    there = next(each for each in others if label_of(each.related_model) == label)
    rows = through._base_manager.using(using).filter(**{here.name: instance})
    return list(rows.values_list(f"{there.name}__pk", flat=True))


# A save and its mark are committed together


def _make_atomic(model: type[models.Model]) -> None:
    """Have a save in autocommit be one transaction with its mark: the signal comes after it."""
    original = model.save_base
    if getattr(original, _OURS, False):
        return

    @functools.wraps(original)
    def save_base(self: models.Model, *args: Any, **kwargs: Any) -> None:
        using = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        if connections[using].in_atomic_block or sender_of(type(self)) is None:
            original(self, *args, **kwargs)
            return
        with transaction.atomic(using=using):
            original(self, *args, **kwargs)

    setattr(save_base, _OURS, True)
    model.save_base = save_base  # type: ignore[method-assign]  # of the class: its code stays as it is
