"""Sources of mirrors in lists: what mirrors and their rows are called, and the filters."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conversion_sync.admin.site import Admin
from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.registry import registry
from conversion_sync.models import MirrorLink
from conversion_sync.sync.kinds import MODEL_OF

__all__ = ["ANY", "MirrorFilter", "TroubleFilter", "kinds_of", "mirror_name"]

Kind, Trouble = MirrorLink.Kind, MirrorLink.Trouble

#: The value of the filter that finds whatever is wrong.
ANY = "any"


def kinds_of(kind: str, count: int = 2) -> str:
    """What so many rows of a kind are called."""
    opts = MODEL_OF[kind]._meta
    return str(opts.verbose_name if count == 1 else opts.verbose_name_plural)


def mirror_name(declared: Declared) -> str:
    """Such as ``Customers as contacts``; with its label, where another is called the same."""
    name = _name(declared)
    others = (each for each in registry if each is not declared)
    return f"{name} ({declared.label})" if name in map(_name, others) else name


def _name(declared: Declared) -> str:
    sources = capfirst(str(declared.model._meta.verbose_name_plural))
    return _("%(sources)s as %(rows)s") % {"sources": sources, "rows": kinds_of(declared.kind)}


class MirrorFilter(admin.SimpleListFilter):
    """The mirrors that are declared."""

    title = gettext_lazy("mirror")
    parameter_name = "mirror"

    def lookups(self, request: HttpRequest, model_admin: Admin) -> list[tuple[str, Any]]:
        return [(each.label, mirror_name(each)) for each in registry]

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(mirror=self.value()) if self.value() else queryset


class TroubleFilter(admin.SimpleListFilter):
    """What is wrong."""

    title = gettext_lazy("what is wrong")
    parameter_name = "trouble"

    def lookups(self, request: HttpRequest, model_admin: Admin) -> list[tuple[str, Any]]:
        return [(ANY, _("Whatever is wrong")), *Trouble.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those with this trouble, with any, or all."""
        if self.value() in Trouble.values:
            return queryset.filter(trouble=self.value())
        is_any = self.value() == ANY
        return queryset.filter(trouble__in=Trouble.values) if is_any else queryset
