"""Bulk changes of the site's models, of which Django tells nobody: querysets that mark them.

class Customer(models.Model):
    objects = mirrors.MirroredManager()

class OrderManager(mirrors.MirroredManagerMixin, models.Manager):
    ...
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from django.db import models, transaction

from conversion_sync.mirrors.followed import sender_of
from conversion_sync.mirrors.marks import Mark, changed, mirroring, parents_of, write
from conversion_sync.models.chunks import ROWS_AT_ONCE, in_chunks

__all__ = ["MirroredManager", "MirroredManagerMixin", "MirroredQuerySetMixin"]

if TYPE_CHECKING:
    _QuerySet: TypeAlias = models.QuerySet[Any]
    _Manager: TypeAlias = models.Manager[Any]
    _PlainManager: TypeAlias = models.Manager[Any]
else:
    _QuerySet = _Manager = object
    _PlainManager = models.Manager


class MirroredQuerySetMixin(_QuerySet):
    """A queryset whose ``update``, ``bulk_update`` and ``bulk_create`` mark what they change.

    ``delete`` is seen without it: Django tells of each row. ``update`` finds the rows first, and
    locks them, which is one statement more, and the marks one for each 200 rows.
    """

    def update(self, **kwargs: Any) -> int:
        """As Django's, and has the mirrors look at the rows."""
        sender, query = _sender(self.model), self.query
        if sender is None or not kwargs or query.is_sliced or query.combinator:
            return super().update(**kwargs)
        self._for_write = True
        with transaction.atomic(using=self.db):
            pks = _locked(self)
            before = _parents(self, pks)
            is_of_keys = not _keys(self.model).isdisjoint(kwargs)
            if is_of_keys:
                before += _changed(self, pks)
            # One statement: what it writes may be what it looks for, or reads.
            rows = self.filter(pk__in=pks) if len(pks) <= ROWS_AT_ONCE else self
            count = super(MirroredQuerySetMixin, rows).update(**kwargs)
            if is_of_keys or count != len(pks):
                # Others have come to match, or their primary keys are others now.
                _mark_all(self, before)
            else:
                _mark(self, pks, before)
        return count

    update.alters_data = True  # type: ignore[attr-defined]  # Django's own convention

    def bulk_create(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:
        """As Django's, and has the mirrors look at the rows."""
        if _sender(self.model) is None:
            return super().bulk_create(objs, *args, **kwargs)
        self._for_write = True
        with transaction.atomic(using=self.db):
            created = super().bulk_create(objs, *args, **kwargs)
            pks = [each.pk for each in created]
            # Of a conflict, or on MySQL, nobody tells the primary keys: all rows are looked at.
            if None in pks or _may_be_others(self.model, *args, **kwargs):
                _mark_all(self)
            else:
                _mark(self, pks)
        return created

    bulk_create.alters_data = True  # type: ignore[attr-defined]  # Django's own convention


# ``bulk_update`` goes through ``update``.


def _sender(model: type[models.Model]) -> Any:
    return sender_of(model) if mirroring.get() else None


def _may_be_others(
    model: type[models.Model],
    batch_size: int | None = None,
    ignore_conflicts: bool = False,
    update_conflicts: bool = False,
    update_fields: Collection[str] | None = None,
    unique_fields: Collection[str] | None = None,
) -> bool:
    """Whether ``bulk_create`` may have updated rows of other primary keys than it was given."""
    primary_key: Any = model._meta.pk
    names = {"pk", primary_key.name, primary_key.attname}
    return update_conflicts and not (unique_fields and names.issuperset(unique_fields))


def _locked(rows: models.QuerySet[Any]) -> Sequence[Any]:
    """The primary keys, locked as the update would: what comes to match later is not updated."""
    plain = rows.order_by("pk")
    query = plain.query
    if not (query.distinct or query.group_by is not None or len(query.alias_map) > 1):
        plain = plain.select_for_update()
    return list(dict.fromkeys(plain.values_list("pk", flat=True)))


def _keys(model: type[models.Model]) -> set[str]:
    """The names of the columns by which rows of a model are known."""
    opts: Any = model._meta
    links = [each for each in opts.parents.values() if each is not None]
    keys = [*opts.pk_fields, *links, *(each._meta.pk for each in opts.all_parents)]
    return {"pk", *(field.name for field in keys), *(field.attname for field in keys)}


def _mark(rows: models.QuerySet[Any], pks: Sequence[Any], more: Iterable[Mark] = ()) -> None:
    """Mark rows that changed, and those that they belong to, before and after."""
    write(rows.db, [*more, *_changed(rows, pks), *_parents(rows, pks)], bulk=True)


def _changed(rows: models.QuerySet[Any], pks: Sequence[Any]) -> list[Mark]:
    return [mark for chunk in in_chunks(pks) for mark in changed(rows.db, rows.model, chunk)]


def _parents(rows: models.QuerySet[Any], pks: Sequence[Any]) -> list[Mark]:
    """The marks of the rows that these belong to."""
    sender, found = sender_of(rows.model), list[Mark]()
    if sender is None or not sender.parents:
        return found
    for chunk in in_chunks(pks):
        some = rows.model._base_manager.using(rows.db).filter(pk__in=chunk)
        found += parents_of(some, sender)
    return found


def _mark_all(rows: models.QuerySet[Any], more: Iterable[Mark] = ()) -> None:
    """Mark all rows of the model, and all that they may belong to."""
    if (sender := sender_of(rows.model)) is None:
        return
    labels = [*sender.marked, *(parent.label for parent in sender.parents)]
    write(rows.db, [*more, *(Mark(label, "") for label in labels)], bulk=True)


class MirroredManagerMixin(_Manager):
    """A manager whose querysets mark what they change; for a manager of the site's own."""

    def get_queryset(self) -> models.QuerySet[Any]:
        """As the manager's own, with marks."""
        found = super().get_queryset()
        found.__class__ = _with_marks(type(found))
        return found


@cache
def _with_marks(queryset: type[Any]) -> type[Any]:
    if issubclass(queryset, MirroredQuerySetMixin):
        return queryset
    return type(queryset.__name__, (MirroredQuerySetMixin, queryset), {})


class MirroredManager(MirroredManagerMixin, _PlainManager):
    """Django's manager, with marks."""
