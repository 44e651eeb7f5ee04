"""A site's customers, and the mirrors of the test in hand."""

from __future__ import annotations

from typing import Any

from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.registry import registry
from conversion_sync.mirrors.step import step
from conversion_sync.models import Contact, MirrorLink, MirrorMark

State = MirrorLink.State


def declared(kind: str, model: Any, cls: Any) -> Declared:
    """A mirror that is not added to the site's."""
    return Declared(MirrorLink.Kind(kind), model, cls)


def render(using: str = "default") -> None:
    """Take the drain's step until nothing is left."""
    while step(using):
        pass


def contacts() -> dict[str, Any]:
    """All contacts by their keys, in order: which of their sources is read first is not said."""
    return {row.key: row for row in Contact.unmarked.order_by("key")}


def link(source: Any, label: str | None = None) -> MirrorLink:
    """The link of a source; of the only mirror of its model that there is."""
    if label is None:
        [label] = [each.label for each in registry.of(type(source))]
    return MirrorLink.objects.get(mirror=label, source=str(source.pk))


def marks() -> list[tuple[str, str, str]]:
    """What is marked."""
    return list(MirrorMark.objects.order_by("pk").values_list("model", "source", "what"))
