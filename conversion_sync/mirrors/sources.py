"""From a row back to the source that it stands for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db import models

from conversion_sync.mirrors.declaration import VARIABLE, Declared
from conversion_sync.mirrors.registry import registry
from conversion_sync.models import Contact, MirrorLink
from conversion_sync.sync.kinds import MODEL_OF

__all__ = ["Origin", "origin_of", "origins_of_email"]

Kind = MirrorLink.Kind

_KINDS: dict[type[models.Model], Kind] = {MODEL_OF[kind]: kind for kind in Kind}

#: What staff may change though a mirror maps it: an opt-out never waits for another system.
_OPEN = frozenset({"subscription_status"})


@dataclass(frozen=True)
class Origin:
    """The source of a row.

    Attributes:
        declared: its mirror.
        pk: its primary key.
        columns: of the row, that the mirror maps.
        names: of the custom variables that are the mirror's.
    """

    declared: Declared
    pk: Any
    columns: Collection[str]
    names: Collection[str]

    @property
    def model(self) -> type[models.Model]:
        """The model of the site."""
        return self.declared.model

    def instance(self) -> models.Model | None:
        """The instance, if it is there still."""
        return self.model._base_manager.filter(pk=self.pk).first()


def origin_of(row: models.Model) -> Origin | None:
    """The source that a contact, a company or an engagement stands for; None: it has none."""
    kind = _KINDS.get(type(row))
    if kind is None or row.pk is None:
        return None
    link = MirrorLink.objects.using(row._state.db).filter(kind=kind, row=row.pk).first()
    return None if link is None else _origin(link, type(row))


def origins_of_email(using: str, key: str) -> list[Origin]:
    """The sources of the contact at a normal address, and those that want to be its sources."""
    pks = Contact.unmarked.using(using).filter(key=key).values_list("pk", flat=True)
    links = MirrorLink.objects.using(using).filter(kind=Kind.CONTACT)
    found = links.filter(models.Q(row__in=list(pks)) | models.Q(row=None, key=key)).order_by("pk")
    return [origin for link in found if (origin := _origin(link, Contact)) is not None]


def _origin(link: MirrorLink, of: type[models.Model]) -> Origin | None:
    declared = registry.get(link.mirror)
    if declared is None:
        return None
    primary_key: Any = declared.model._meta.pk
    columns = _columns(declared, of)
    pk = primary_key.to_python(link.source)
    return Origin(declared, pk, columns, frozenset(link.names) - columns)


def _columns(declared: Declared, model: type[models.Model]) -> frozenset[str]:
    there = {field.name for field in model._meta.concrete_fields}
    words = {name.removeprefix(VARIABLE).partition(".")[0] for name, _ in declared.words()}
    if declared.kind is Kind.ENGAGEMENT:
        # By which it is entered once.
        words.add("source_key")
    return frozenset((words & there) - _OPEN)
