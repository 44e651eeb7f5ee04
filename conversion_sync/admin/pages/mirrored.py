"""The way from the page of a row to the source that it stands for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.admin.utils import quote
from django.http import HttpRequest
from django.utils.translation import gettext as _

from conversion_sync.admin.pages.sources.shown import name_of
from conversion_sync.admin.site import address
from conversion_sync.mirrors.sources import origin_of

__all__ = ["links"]


def links(site: AdminSite, request: HttpRequest, row: Any) -> Iterator[tuple[str, str]]:
    """The page of the source of a row, where this person may look at it."""
    if (origin := origin_of(row)) is None:
        return
    opts, admin = origin.model._meta, site._registry.get(origin.model)
    if admin is None:
        return
    instance = admin.get_queryset(request).filter(pk=origin.pk).first()
    if instance is None or not admin.has_view_permission(request, instance):
        return
    said = {"kind": opts.verbose_name, "name": name_of(instance)}
    where = address(site, f"{opts.app_label}_{opts.model_name}_change", quote(origin.pk))
    if where:
        yield _("Its source: %(kind)s “%(name)s”") % said, where
