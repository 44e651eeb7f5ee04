"""What is written down of the models whose changes concern mirrors."""

from __future__ import annotations

import datetime
import decimal
import enum
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from django.db import models
from django.utils import timezone

__all__ = [
    "Concern",
    "Left",
    "Marked",
    "Model",
    "Parent",
    "Reference",
    "Sender",
    "Side",
    "Table",
    "label_of",
    "python_key",
    "text_of",
]

Model = type[models.Model]


class Left(enum.Enum):
    """Which sources may have led to a row that is deleted."""

    #: None that are not marked by themselves: they went with it, or the row was theirs.
    NONE = enum.auto()
    #: Those that lead nowhere now.
    NULL = enum.auto()
    ANY = enum.auto()


@dataclass(frozen=True)
class Concern:
    """A mirror that reads a model.

    Attributes:
        lookup: from the source to the row; blank for the source itself.
        left: when the row is deleted, which sources have led to it.
    """

    mirror: str
    lookup: str
    left: Left = Left.NONE


@dataclass(frozen=True)
class Reference:
    """A mirror whose rows refer to the rows of another mirror's sources.

    Attributes:
        lookup: from the source to what it refers to.
    """

    mirror: str
    lookup: str


@dataclass(frozen=True)
class Parent:
    """A row that another one belongs to, by a column of that other one.

    Attributes:
        column: the foreign key; of a generic relation the primary key.
        label: of the model of the row that is marked.
        content_type: of a generic relation, the column that says of which model the row is.
    """

    column: str
    label: str
    content_type: str = ""


@dataclass(frozen=True)
class Marked:
    """A model whose instance is marked when one that inherits it, or is one, changes.

    Attributes:
        attribute: with the primary key that the instance has there.
        reads: the fields that are read (None: any of them may be).
    """

    model: Model
    attribute: str
    reads: frozenset[str] | None


@dataclass
class Sender:
    """What a change of an instance of a model marks.

    Attributes:
        marked: the models as which it is marked, by label.
        parents: the rows that it belongs to, which are marked in its place.
        reads: the fields of it that are read through them (None: any).
    """

    marked: dict[str, Marked] = field(default_factory=dict)
    parents: list[Parent] = field(default_factory=list)
    reads: frozenset[str] | None = frozenset()


@dataclass(frozen=True)
class Side:
    """A side of a many-to-many relation that is marked.

    Attributes:
        is_own: it is the one that declares the relation.
        column: of the relation's own model, that leads to this side.
        other: the one that leads to the other side.
    """

    model: Model
    is_own: bool
    column: str
    other: str


@dataclass
class Table:
    """What concerns whom.

    Attributes:
        concerns: by the label of the model that changed.
        references: by the label of the model that is referred to.
        referred_to: those models.
        senders: by the model whose instances are saved.
        through: by the model of a many-to-many relation, the sides that are marked.
    """

    concerns: dict[str, list[Concern]] = field(default_factory=lambda: defaultdict(list))
    references: dict[str, list[Reference]] = field(default_factory=lambda: defaultdict(list))
    referred_to: set[Model] = field(default_factory=set)
    senders: dict[Model, Sender] = field(default_factory=dict)
    through: dict[Model, set[Side]] = field(default_factory=lambda: defaultdict(set))


def label_of(model: Model) -> str:
    """By which the marks know a model; a proxy is what it stands for."""
    return (model._meta.concrete_model or model)._meta.label_lower


def python_key(model: Model, value: Any) -> Any:
    """A primary key as the database gives it, however it was given: ``"7"`` is ``7``.

    What none can be is left as it is.
    """
    return _read(model._meta.pk, value)


def text_of(column: Any, value: Any) -> str:
    """The value of a primary key, or of a column that refers to one, as marks and links have it."""
    return str(_read(column, value))


def _read(column: Any, value: Any) -> Any:
    try:
        return _as_stored(column, column.to_python(value))
    except Exception:  # what it is, is for the site's own field to say: a mark is left as it was
        return value


def _as_stored(column: Any, value: Any) -> Any:
    """What databases give back in one spelling: ``1.5`` as ``1.50``, noon in Oslo as 11:00 UTC."""
    if isinstance(value, decimal.Decimal):
        column = column.target_field if column.is_relation else column
        return value.quantize(decimal.Decimal(1).scaleb(-column.decimal_places))
    if isinstance(value, datetime.datetime) and timezone.is_aware(value):
        return value.astimezone(datetime.UTC)
    return value
