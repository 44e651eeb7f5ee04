"""The signals of the site's models: what is heard of a change becomes marks."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Collection, Iterable
from typing import Any

from django.db import Error, models
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save

from conversion_sync.mirrors.atomic_saves import make_atomic
from conversion_sync.mirrors.followed import forget, sender_of, table
from conversion_sync.mirrors.heirs import key_as
from conversion_sync.mirrors.marks import (
    Mark,
    What,
    generic_marks,
    mirroring,
    parents_of,
    write,
)
from conversion_sync.mirrors.table import Sender, Side, label_of, text_of

__all__ = ["connect"]

logger = logging.getLogger(__name__)

#: The attribute of an instance in which the rows it belonged to are kept during a save.
_BEFORE = "_conversion_sync_parents"

_UID = "conversion_sync.mirrors"


def connect() -> None:
    """Hear of the changes of all models that mirrors read, and of no other."""
    before = forget()
    for model in before.senders if before else ():
        for signal in (pre_save, post_save, post_delete):
            signal.disconnect(sender=model, dispatch_uid=_UID)
    for through in before.through if before else ():
        m2m_changed.disconnect(sender=through, dispatch_uid=_UID)
    for model, sender in table().senders.items():
        make_atomic(model)
        if sender.parents:
            pre_save.connect(_remember_parents, sender=model, dispatch_uid=_UID)
        post_save.connect(_saved, sender=model, dispatch_uid=_UID)
        post_delete.connect(_deleted, sender=model, dispatch_uid=_UID)
    for through in table().through:
        m2m_changed.connect(_linked, sender=through, dispatch_uid=_UID)


def _never_in_the_way(
    receiver: Callable[..., Iterable[Mark]],
) -> Callable[..., None]:
    """What is wrong here is logged, and no reason for a save of the site to fail.

    An error of the database is the site's, too: its transaction can't be committed after it.
    """

    @functools.wraps(receiver)
    def heard(sender: type[models.Model], using: str | None = None, **kwargs: Any) -> None:
        if not mirroring.get() or using is None:
            return
        try:
            marks = list(receiver(sender, using=using, **kwargs))
        except Error:
            raise
        except Exception:
            logger.exception("A change of %s was not marked for its mirrors.", sender._meta.label)
        else:
            write(using, marks)

    return heard


@_never_in_the_way
def _remember_parents(
    sender: type[models.Model], instance: Any, using: str, update_fields: Any = None, **kwargs: Any
) -> Iterable[Mark]:
    """Before a save that may move a row: to which rows it belonged."""
    found = sender_of(sender)
    if found is None or instance._state.adding:
        return []
    if update_fields is not None and not _moves(sender, found, update_fields):
        return []
    rows = sender._base_manager.using(using).filter(pk=instance.pk)
    instance.__dict__[_BEFORE] = parents_of(rows, found)
    return []


def _moves(model: type[models.Model], sender: Sender, update_fields: Collection[str]) -> bool:
    names = {name for parent in sender.parents for name in (parent.column, parent.content_type)}
    names.discard("")
    columns = {_field(model, name).attname for name in names}
    return not (names | columns).isdisjoint(update_fields)


@_never_in_the_way
def _saved(
    sender: type[models.Model], instance: Any, using: str, update_fields: Any = None, **kwargs: Any
) -> Iterable[Mark]:
    before: list[Mark] = instance.__dict__.pop(_BEFORE, [])
    if (found := sender_of(sender)) is None:
        return []
    marks = _marks(instance, found, What.CHANGED, update_fields)
    if found.parents and _reads(found.reads, update_fields):
        marks += before + _parents(instance, found, using)
    return marks


def _marks(
    instance: Any, sender: Sender, what: str, update_fields: Collection[str] | None = None
) -> list[Mark]:
    """The marks of an instance as what it is and inherits.

    What is loaded from a fixture does not know its primary keys in what it inherits; nothing is
    written there either.
    """
    found = list[Mark]()
    for label, marked in sender.marked.items():
        key = getattr(instance, marked.attribute)
        if key is not None and _reads(marked.reads, update_fields):
            found.append(Mark(label, text_of(_field(marked.model, "pk"), key), str(what)))
    return found


def _reads(reads: frozenset[str] | None, update_fields: Any) -> bool:
    return update_fields is None or reads is None or not reads.isdisjoint(update_fields)


def _parents(instance: Any, sender: Sender, using: str) -> list[Mark]:
    """The marks of the rows that an instance belongs to, as it is in memory."""
    found = list[Mark]()
    for parent in sender.parents:
        column = _field(type(instance), parent.column)
        if parent.content_type:
            content_type = _field(type(instance), parent.content_type).attname
            pair = (getattr(instance, content_type), getattr(instance, column.attname))
            found += generic_marks(using, parent, [pair])
            continue
        value = getattr(instance, column.attname)
        if value is not None and not column.target_field.primary_key:
            rows = column.related_model._base_manager.using(using)
            by_column = {column.target_field.attname: value}
            value = rows.filter(**by_column).values_list("pk", flat=True).first()
        if value is not None:
            found.append(Mark(parent.label, text_of(column, value)))
    return found


def _field(model: type[models.Model], name: str) -> Any:
    return model._meta.pk if name == "pk" else model._meta.get_field(name)


@_never_in_the_way
def _deleted(
    sender: type[models.Model], instance: Any, using: str, **kwargs: Any
) -> Iterable[Mark]:
    if (found := sender_of(sender)) is None:
        return []
    return _marks(instance, found, What.DELETED) + _parents(instance, found, using)


@_never_in_the_way
def _linked(
    sender: type[models.Model],
    using: str,
    instance: Any,
    action: str,
    reverse: bool,
    pk_set: Collection[Any] | None,
    **kwargs: Any,
) -> Iterable[Mark]:
    """A many-to-many relation: who reads it is marked, on whichever side it was written."""
    if action not in ("post_add", "post_remove", "pre_clear"):
        return
    for side in table().through[sender]:
        if side.is_own != reverse:
            keys: Collection[Any] = [key_as(instance, side.model)]
        else:
            keys = _linked_to(sender, instance, side, pk_set, using)
        yield from (Mark(label_of(side.model), text_of(side.model._meta.pk, key)) for key in keys)


def _linked_to(
    through: type[models.Model],
    instance: Any,
    side: Side,
    values: Collection[Any] | None,
    using: str,
) -> Collection[Any]:
    """The rows of the side on which an instance is not.

    Args:
        values: by which the relation knows them; None: all that are linked, before that is cleared.
    """
    if values is None:
        rows = through._base_manager.using(using).filter(**{side.other: instance})
        return list(rows.values_list(f"{side.column}__pk", flat=True))
    known_by = _field(through, side.column).target_field
    if known_by.primary_key:
        return values
    rows = side.model._base_manager.using(using).filter(**{f"{known_by.attname}__in": values})
    return list(rows.values_list("pk", flat=True))
