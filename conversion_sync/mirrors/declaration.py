"""What a site declares: which of its models become contacts, companies and engagements, and how."""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Generic, TypeVar

from django.apps import apps
from django.db import models
from django.db.models import Q

from conversion_sync.mirrors.place import Place, place_of
from conversion_sync.models import MirrorLink

__all__ = [
    "COLUMNS",
    "DELETE",
    "KEEP",
    "UNSUBSCRIBE",
    "Declared",
    "Exit",
    "Mirror",
    "depends_on",
]

Kind = MirrorLink.Kind

M = TypeVar("M", bound=models.Model)
F = TypeVar("F", bound=Callable[..., Any])


class Exit(enum.StrEnum):
    """What becomes of a row whose source is gone, or excluded."""

    UNSUBSCRIBE = "unsubscribe"
    DELETE = "delete"
    KEEP = "keep"


UNSUBSCRIBE, DELETE, KEEP = Exit.UNSUBSCRIBE, Exit.DELETE, Exit.KEEP


class Mirror(Generic[M]):
    """What the rows say that stand for the instances of a model of the site.

    A value is an ``F`` path (or another expression of Django's), a function of the instance, a
    method of the mirror, or a constant. A path over many rows gives a list. Which other models
    matter is derived from the paths; a function says by ``depends_on`` which it reads.

    Attributes:
        source: the instances that are looked at (default: those of the model's default manager).
        include: a ``Q``, or a function or method that says whether an instance has a row.
        variables: by name; those that a row has a column for are written there.
        depends_on: paths that functions of this mirror read, such as ``"orders"``.
        on_exit: what becomes of the row of a source that is gone or excluded: ``KEEP`` (default),
            ``DELETE``, or, for contacts, ``UNSUBSCRIBE``.
        label: by which the mirror is known in the database (default: the app and the class).
        email, company, external_contact, subscription_status: of a contact. ``company`` is a path
            to a model that is mirrored as a company.
        external_id, base_domain: of a company; the first is the primary key, if nothing is given.
        contact, name, description, data, occurred_at: of an engagement. ``contact`` is a path to a
            model that is mirrored as a contact.
    """

    source: ClassVar[models.QuerySet[Any] | None] = None
    include: ClassVar[Any] = Q()
    variables: ClassVar[Mapping[str, Any]] = {}
    depends_on: ClassVar[tuple[str, ...]] = ()
    on_exit: ClassVar[Exit] = KEEP
    label: ClassVar[str] = ""


#: The attributes of each kind that become values of its rows, and those that it can't do without.
COLUMNS: Mapping[Kind, tuple[str, ...]] = {
    Kind.CONTACT: ("email", "company", "external_contact", "subscription_status"),
    Kind.COMPANY: ("external_id", "base_domain"),
    Kind.ENGAGEMENT: ("contact", "name", "description", "data", "occurred_at"),
}
REQUIRED: Mapping[Kind, tuple[str, ...]] = {
    Kind.CONTACT: ("email",),
    Kind.COMPANY: (),
    Kind.ENGAGEMENT: ("contact", "name", "description"),
}

#: The attributes that are paths to a model with a mirror of its own.
REFERENCES: Mapping[str, Kind] = {"company": Kind.COMPANY, "contact": Kind.CONTACT}

#: Before the name of a variable, or of an entry of an engagement's data.
VARIABLE = "variables."


def depends_on(*paths: str) -> Callable[[F], F]:
    """Say which other models a function, or a method of a mirror, reads, by their paths.

        @mirrors.depends_on("orders")
        def score_of(customer): ...

    Args:
        paths: from the source, as in ``F``: ``"orders"``, ``"user__profile"``.
    """

    def note(function: F) -> F:
        function.conversion_sync_depends_on = paths  # type: ignore[attr-defined]  # read by ``read_paths``
        return function

    return note


class Declared:
    """A mirror, as a decorator has declared it.

    Attributes:
        label: by which it is known in the database.
        kind: of its rows.
        model: of its sources.
        place: of its class, in the site's code.
        broken: why nothing can be made of it.
    """

    broken = ""

    def __init__(self, kind: Kind, model: type[models.Model], cls: type[Mirror[Any]]) -> None:
        self.kind, self.model, self.mirror = kind, model, cls()
        self.place: Place = place_of(cls)
        self.label = cls.label or f"{_app_of(cls)}.{cls.__name__}"

    def __repr__(self) -> str:
        return f"<mirror {self.label}>"

    @property
    def source(self) -> models.QuerySet[Any]:
        """The instances that are looked at."""
        given = type(self.mirror).source
        found = self.model._default_manager.all() if given is None else given.all()
        return found.order_by()

    @property
    def include(self) -> Any:
        """The condition: a ``Q``, or a function of the instance."""
        return self._bound(type(self.mirror).include)

    @property
    def on_exit(self) -> Exit:
        """What becomes of the row of a source that is gone or excluded."""
        return type(self.mirror).on_exit

    def words(self) -> Iterator[tuple[str, Any]]:
        """The values that are declared, by name: ``email``, ``variables.plan``."""
        for name in COLUMNS[self.kind]:
            if (value := getattr(type(self.mirror), name, None)) is None:
                continue
            if name in ("data", "external_contact") and isinstance(value, Mapping):
                yield from ((f"{name}.{key}", self._bound(word)) for key, word in value.items())
            else:
                yield name, self._bound(value)
        if self.kind is Kind.COMPANY and not hasattr(type(self.mirror), "external_id"):
            yield "external_id", models.F("pk")
        for name, value in type(self.mirror).variables.items():
            yield f"{VARIABLE}{name}", self._bound(value)

    def _bound(self, value: Any) -> Any:
        """A method of the mirror is bound to it; any other function is one of the instance."""
        is_method = inspect.isfunction(value) and _takes(value) > 1
        return value.__get__(self.mirror) if is_method else value


def _takes(function: Callable[..., Any]) -> int:
    """How many arguments a function needs."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    return sum(each.kind in kinds and each.default is each.empty for each in parameters)


def _app_of(cls: type) -> str:
    config = apps.get_containing_app_config(cls.__module__)
    return config.label if config else cls.__module__.partition(".")[0]
