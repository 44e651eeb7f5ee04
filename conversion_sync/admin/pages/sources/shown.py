"""What a person may see of the sources of a page: loaded by a query for each mirror."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.admin.utils import quote
from django.contrib.auth import get_permission_codename
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest

from conversion_sync.admin.badges import one_line
from conversion_sync.admin.site import address, may_view
from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.registry import registry
from conversion_sync.mirrors.snapshots import MODELS
from conversion_sync.models import MirrorLink
from conversion_sync.models.database import database

__all__ = ["Shown", "name_of", "note", "shown"]

#: Characters of a name.
NAME = 80

#: The attribute of a link in which this is kept.
_SHOWN = "_conversion_sync_shown"


@dataclass(frozen=True)
class Shown:
    """A source, as this person may see it.

    Attributes:
        kind: what instances of its model are called.
        name: its own, where this person may know it; else its primary key.
        key: that it has, or wants.
        left: the keys of rows that no source has, and that leave when this one is let.
        instance: None where it is gone, or nothing that this person may look at.
        address: of its page in the site's admin, if there is one that this person may see.
        why: of its page “Why?” there, likewise.
        row_address: of the page of its row.
        may_look_again: whether this person may have it looked at again.
    """

    kind: str
    name: str
    key: str = ""
    left: Sequence[str] = ()
    instance: models.Model | None = None
    address: str = ""
    why: str = ""
    row_address: str = ""
    may_look_again: bool = False


def shown(link: MirrorLink) -> Shown:
    """What was noted of a link."""
    found: Shown = vars(link)[_SHOWN]
    return found


def note(site: AdminSite, request: HttpRequest, links: Iterable[MirrorLink]) -> None:
    """Note on each of these links what ``shown`` is to give."""
    by_mirror = defaultdict[str, list[MirrorLink]](list)
    for link in links:
        by_mirror[link.mirror].append(link)
    for label, some in by_mirror.items():
        declared = registry.get(label)
        instances = {} if declared is None else _instances(site, request, declared, some)
        keys = {} if declared is None else _keys(declared, some)
        for link in some:
            found = _shown(site, request, declared, link, instances.get(link.source))
            left = [keys[pk] for pk in link.orphans or () if pk in keys]
            vars(link)[_SHOWN] = replace(found, left=left)


def _keys(declared: Declared, links: Iterable[MirrorLink]) -> Mapping[int, str]:
    """The keys of the rows that no source has, and that these are to say of what becomes."""
    pks = {pk for link in links for pk in link.orphans or ()}
    if not pks:
        return {}
    rows: Any = MODELS[declared.kind].unmarked.using(database())
    links = MirrorLink.objects.using(database()).filter(kind=declared.kind, row__in=pks)
    # One that another source has taken over since is told of when this one is looked at next.
    pks -= {*links.values_list("row", flat=True)}
    found = rows.filter(pk__in=pks).values_list("pk", "key")
    return {pk: one_line(key, NAME) for pk, key in found if key}


def _instances(
    site: AdminSite, request: HttpRequest, declared: Declared, links: Iterable[MirrorLink]
) -> Mapping[str, models.Model]:
    """Those of the sources that there are; where the site has an admin of them, as that has it."""
    primary_key: Any = declared.model._meta.pk
    pks = []
    for link in links:
        try:
            pks.append(primary_key.to_python(link.source))
        except (ValidationError, ValueError, TypeError):  # keys were of another type
            continue
    admin = site._registry.get(declared.model)
    rows = declared.model._base_manager.all() if admin is None else admin.get_queryset(request)
    found = rows.filter(pk__in=pks)
    return {str(instance.pk): instance for instance in found}


def _shown(
    site: AdminSite,
    request: HttpRequest,
    declared: Declared | None,
    link: MirrorLink,
    instance: models.Model | None,
) -> Shown:
    user: Any = request.user
    found = Shown(kind="", name=one_line(link.source, NAME), key=one_line(link.key, NAME))
    if link.row is not None and may_view(request, link.kind):
        row = address(site, f"conversion_sync_{link.kind}_change", link.row)
        found = replace(found, row_address=row)
    if declared is None:
        return found
    model, opts = declared.model, declared.model._meta
    may_look_again = user.has_perm(f"conversion_sync.sync_{link.kind}")
    found = replace(found, kind=str(opts.verbose_name), may_look_again=may_look_again)
    if instance is None or not _may_look_at(site, request, model, instance):
        return found
    found = replace(found, name=name_of(instance), instance=instance)
    if model not in site._registry:
        return found
    page = f"{opts.app_label}_{opts.model_name}"
    return replace(
        found,
        address=address(site, f"{page}_change", quote(instance.pk)),
        why=address(site, f"{page}_conversion", quote(instance.pk)),
    )


def _may_look_at(
    site: AdminSite, request: HttpRequest, model: type[models.Model], instance: models.Model
) -> bool:
    """As the site's own admin has it; a model without one needs the permission of its own."""
    if (admin := site._registry.get(model)) is not None:
        return bool(admin.has_view_permission(request, instance))
    user: Any = request.user
    opts = model._meta
    return any(
        user.has_perm(f"{opts.app_label}.{get_permission_codename(right, opts)}")
        for right in ("view", "change")
    )


def name_of(instance: models.Model) -> str:
    """What an instance of the site is called, on a line; its primary key where that fails."""
    try:
        return one_line(str(instance), NAME) or str(instance.pk)
    except Exception:  # the site's own code: no reason for the page to fail
        return str(instance.pk)
