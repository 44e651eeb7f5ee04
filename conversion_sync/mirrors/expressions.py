"""What a mirror's expressions read: their paths, and how Django would evaluate them."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models import F, Q
from django.db.models.constants import LOOKUP_SEP

__all__ = [
    "How",
    "PathStep",
    "conditions",
    "how",
    "key_path",
    "name_of",
    "path_steps",
    "paths",
    "target",
]


class How(enum.Enum):
    """How a value is read of a source."""

    CONSTANT = enum.auto()
    #: By the query that finds the sources.
    COLUMN = enum.auto()
    #: By a query of its own: a path over many rows, which gives a list.
    LIST = enum.auto()
    #: By a query of its own: it joins many rows, or counts them.
    ALONE = enum.auto()
    #: A function of the instance.
    CALL = enum.auto()


@dataclass(frozen=True)
class PathStep:
    """One relation on a path.

    Attributes:
        lookup: the path from the source to where it leads.
        field: as the model it starts from has it.
        model: to which it leads.
        is_many: it may lead to several rows.
    """

    lookup: str
    field: Any
    origin: type[models.Model]
    model: type[models.Model]
    is_many: bool


def how(value: Any, model: type[models.Model]) -> How:
    """How a value of a mirror of this model is read."""
    if not hasattr(value, "resolve_expression"):
        return How.CALL if callable(value) else How.CONSTANT
    is_many = any(step.is_many for path in paths(value) for step in path_steps(model, path)[0])
    if isinstance(value, F) and is_many:
        return How.LIST
    return How.ALONE if is_many or _aggregates(value) else How.COLUMN


def _aggregates(value: Any) -> bool:
    if isinstance(value, models.Aggregate | models.Window):
        return True
    sources: list[Any] = getattr(value, "get_source_expressions", list)()
    return any(_aggregates(each) for each in sources if each is not None)


def name_of(path: Any) -> str:
    """The path that an ``F`` names; django-stubs knows nothing of it."""
    return str(path.name)


def paths(value: Any) -> Iterator[str]:
    """The paths of an expression or a condition."""
    if isinstance(value, F):
        yield name_of(value)
    elif isinstance(value, Q):
        for child in value.children:
            if isinstance(child, tuple):
                yield child[0]
                yield from paths(child[1])
            else:
                yield from paths(child)
    elif isinstance(value, models.QuerySet):
        return
    elif hasattr(value, "get_source_expressions"):
        # A When has its condition among them. What a subquery reads, nobody can tell by its paths.
        for each in value.get_source_expressions():
            if each is not None:
                yield from paths(each)


def path_steps(
    model: type[models.Model], path: str, *, ends_with_model: bool = False
) -> tuple[list[PathStep], str]:
    """The relations on a path, and the column that it ends with.

    Args:
        ends_with_model: of a path that ends with a foreign key, what that leads to is meant.

    Returns:
        The steps, and the name of a column of the last model: blank where the path ends with a
        relation, or with what is no column of a model (an annotation of the source).
    """
    found, names = list[PathStep](), path.split(LOOKUP_SEP)
    for number, name in enumerate(names, 1):
        if (field := _field(model, name)) is None:
            return found, ""
        if not getattr(field, "is_relation", False) or field.related_model is None:
            return found, field.name
        is_many = bool(field.one_to_many or field.many_to_many)
        lookup = LOOKUP_SEP.join(names[:number])
        related = field.related_model
        # Of a foreign key, these are a column of this model.
        is_column = names[number:] in ([], ["pk"], [related._meta.pk.name], ["isnull"])
        if is_column and _is_forward(field) and not ends_with_model:
            return found, field.name
        found.append(PathStep(lookup, field, model, related, is_many))
        model = related
    return found, ""


def _is_forward(field: Any) -> bool:
    return bool(getattr(field, "concrete", False)) and not field.many_to_many


def _field(model: type[models.Model], name: str) -> Any:
    opts = model._meta
    try:
        return opts.pk if name == "pk" else opts.get_field(name)
    except FieldDoesNotExist:
        by_column = (each for each in opts.concrete_fields if each.attname == name)
        return next(by_column, None)


def target(model: type[models.Model], value: Any) -> type[models.Model] | None:
    """The model to whose instances a path leads: by a relation, or a primary key."""
    if not isinstance(value, F):
        return None
    for name in name_of(value).split(LOOKUP_SEP):
        field = _field(model, name)
        if field is None:
            return None
        if not field.is_relation:
            return model if field.primary_key else None
        model = field.related_model
    return model


def key_path(model: type[models.Model], path: str) -> str:
    """The path to the primary key of what a path leads to, which may end with it already."""
    for name in path.split(LOOKUP_SEP):
        field = _field(model, name)
        if field is None or not field.is_relation:
            return path
        model = field.related_model
    return f"{path}{LOOKUP_SEP}pk"


def conditions(include: Any) -> Sequence[Q]:
    """The parts of a condition that must all hold."""
    if not isinstance(include, Q) or not include:
        return []
    if include.connector != Q.AND or include.negated:
        return [include]
    return [Q(child) for child in include.children]
