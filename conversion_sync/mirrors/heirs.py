"""An instance of the site under the primary keys that it has in the models that it inherits.

With multi-table inheritance these may differ: in a second parent, or where the heir has a primary
key of its own.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import models, router

from conversion_sync.mirrors.spelling import as_stored
from conversion_sync.mirrors.table import Model, python_key

__all__ = ["key_as", "key_in_database", "keys_as"]


def key_as(instance: models.Model, model: Model) -> Any:
    """The primary key that an instance has in a model that it is of, or inherits."""
    primary_key: Any = model._meta.pk
    return python_key(model, getattr(instance, primary_key.attname))


def key_in_database(instance: models.Model, model: Model) -> Any:
    """As ``key_as``; a text as the database spells it, whatever the instance does."""
    pk = key_as(instance, model)
    return as_stored(router.db_for_write(model), model, [pk]).get(pk, pk)


def keys_as(using: str, model: Model, pks: Collection[Any], other: Model) -> dict[Any, Any]:
    """The primary keys in another model, of which this one is an heir, or which is one of this.

    Args:
        using: the database of both.
        pks: in ``model``; those of instances that are none of ``other``, or are gone, are left out
            where the two models do not share their primary keys.
    """
    if _shares_key(model, other) or _shares_key(other, model):
        return {pk: pk for pk in pks}
    here: Any = model._meta.pk
    there: Any = other._meta.pk
    heir = model if issubclass(model, other._meta.concrete_model or other) else other
    rows = heir._base_manager.using(using).filter(**{f"{here.attname}__in": [*pks]})
    return dict(rows.values_list(here.attname, there.attname))


def _shares_key(heir: Model, ancestor: Model) -> bool:
    """Whether the primary key of a model is that of another one that it inherits."""
    model, target = heir._meta.concrete_model, ancestor._meta.concrete_model
    while model is not None and model is not target:
        primary_key: Any = model._meta.pk
        relation = primary_key.remote_field
        if relation is None or not relation.parent_link:
            return False
        model = relation.model._meta.concrete_model
    return model is not None
