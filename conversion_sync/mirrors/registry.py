"""The mirrors that a site has declared."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.apps import apps
from django.db import models

from conversion_sync.mirrors.declaration import Declared, Mirror
from conversion_sync.models import MirrorLink

__all__ = ["Registry", "company", "contact", "engagement", "registry"]

Kind = MirrorLink.Kind

M = TypeVar("M", bound=models.Model)
C = TypeVar("C", bound=type[Mirror[Any]])

#: What a mirror may refer to comes before it.
ORDER = {Kind.COMPANY: 0, Kind.CONTACT: 1, Kind.ENGAGEMENT: 2}


class Registry:
    """The mirrors by their labels, in the order in which they are rendered."""

    def __init__(self) -> None:
        self._mirrors = dict[str, Declared]()
        self._clashes = set[str]()
        self.on_change: Callable[[], None] = lambda: None

    def __iter__(self) -> Iterator[Declared]:
        usable = (each for each in self._mirrors.values() if not each.broken)
        return iter(sorted(usable, key=lambda each: (ORDER[each.kind], each.label)))

    def all(self) -> Collection[Declared]:
        """All that are declared, also those that can't be followed: the checks say why."""
        return self._mirrors.values()

    def add(self, declared: Declared) -> None:
        """Add a mirror; it takes the place of one with its label."""
        if declared.label in self._mirrors:
            self._clashes.add(declared.label)
        self._mirrors[declared.label] = declared
        if apps.ready:
            self.on_change()

    def get(self, label: str) -> Declared | None:
        """The mirror of this label, if it is declared still."""
        return self._mirrors.get(label)

    def of(self, model: type[models.Model], kind: Kind | None = None) -> list[Declared]:
        """The mirrors whose sources the instances of this model may be."""
        concrete = model._meta.concrete_model or model
        return [
            each
            for each in self
            if issubclass(concrete, each.model._meta.concrete_model or each.model)
            and (kind is None or each.kind is kind)
        ]

    def clashes(self) -> Collection[str]:
        """The labels that several mirrors have."""
        return self._clashes

    def labels(self) -> Collection[str]:
        """Their labels."""
        return self._mirrors.keys()

    @contextmanager
    def only(self, *mirrors: Declared) -> Iterator[None]:
        """For tests: have none but these."""
        before, self._mirrors = self._mirrors, {each.label: each for each in mirrors}
        self.on_change()
        try:
            yield
        finally:
            self._mirrors = before
            self.on_change()


registry = Registry()


def contact(model: type[M]) -> Callable[[C], C]:
    """Have a ``Mirror`` say which instances of a model are contacts, and what of them."""
    return _declare(Kind.CONTACT, model)


def company(model: type[M]) -> Callable[[C], C]:
    """Have a ``Mirror`` say which instances of a model are companies, and what of them."""
    return _declare(Kind.COMPANY, model)


def engagement(model: type[M]) -> Callable[[C], C]:
    """Have a ``Mirror`` say which instances of a model are something that happened."""
    return _declare(Kind.ENGAGEMENT, model)


def _declare(kind: Kind, model: type[models.Model]) -> Callable[[C], C]:
    def declare(cls: C) -> C:
        registry.add(Declared(kind, model, cls))
        return cls

    return declare
