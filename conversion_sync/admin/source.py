"""For the admins of a site's own models: where their instances stand in Conversion, and why not.

from conversion_sync.admin.source import ConversionSyncAdminMixin

@admin.register(Customer)
class CustomerAdmin(ConversionSyncAdminMixin, admin.ModelAdmin):
    ...
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conversion_sync.admin import badges
from conversion_sync.admin.lists.waiting import follows, note_reasons, outlook_of, why
from conversion_sync.admin.pages.sources.shown import name_of
from conversion_sync.admin.pages.sources.words import badge as badge_of_source
from conversion_sync.admin.pages.sources.words import readable, wrong
from conversion_sync.admin.site import address, may_view
from conversion_sync.admin.undone import after_login
from conversion_sync.mirrors.explain import Standing, explain, standings
from conversion_sync.mirrors.heirs import key_as
from conversion_sync.mirrors.registry import registry
from conversion_sync.mirrors.render import render
from conversion_sync.models import SyncedModel
from conversion_sync.models.database import database
from conversion_sync.status import times

__all__ = ["ConversionSyncAdminMixin"]

if TYPE_CHECKING:
    _ModelAdmin: TypeAlias = admin.ModelAdmin[Any]
else:
    _ModelAdmin = object

#: The attribute of an instance in which a list keeps how it stands.
_STANDINGS = "_conversion_sync_standings"
#: And the one in which a page keeps who asks for it.
_REQUEST = "_conversion_sync_request"

#: Characters of what is wrong.
WRONG = 300


class ConversionSyncAdminMixin(_ModelAdmin):
    """Adds a status column to the list, and to the page of an instance a panel and “Why?”.

    Whoever may look at an instance may ask why; “Sync now” needs the permission to sync contacts,
    companies or engagements.
    """

    class Media:
        css = {"all": ("conversion_sync/parts.css",)}  # noqa: RUF012  # Django's own convention

    # The list

    def get_list_display(self, request: HttpRequest) -> Any:
        return (*super().get_list_display(request), "conversion_state")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """As Django's; how all that is listed stands is found at once."""
        changelist = super().get_changelist_instance(request)
        found = list(changelist.result_list)
        standing = _standings(self.model, [each.pk for each in found])
        for each in found:
            setattr(each, _STANDINGS, standing.get(str(each.pk), []))
        changelist.result_list = found
        return changelist

    @admin.display(description=gettext_lazy("Conversion"))
    def conversion_state(self, instance: Any) -> SafeString:
        """The badges of the rows that stand for an instance, and of what is wrong with it."""
        found: Sequence[Standing] | None = getattr(instance, _STANDINGS, None)
        if found is None:
            found = _standings(self.model, [instance.pk]).get(str(instance.pk), [])
        shown = [_badge(each.row) for each in found if each.row is not None]
        shown += [badge_of_source(each.link, WRONG) for each in found if each.link.trouble]
        return format_html_join(" ", "{}", ((each,) for each in shown))

    # The page of an instance

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        if obj is None:
            return fields
        setattr(obj, _REQUEST, request)
        return (*fields, "conversion_panel")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        found = super().get_fieldsets(request, obj)
        if obj is None or any("conversion_panel" in each["fields"] for _name, each in found):
            return found
        return [*found, (_("Conversion"), {"fields": ("conversion_panel",)})]

    @admin.display(description=gettext_lazy("state"))
    def conversion_panel(self, instance: Any) -> SafeString:
        """The badges, what they stand for, what is wrong, and the way to “Why?”."""
        found = _standings(self.model, [instance.pk]).get(str(instance.pk), [])
        rows = [each.row for each in found if each.row is not None]
        shown = format_html_join(
            "",
            "<p>{} {}</p>",
            ((_badge(row), self._row_link(row, getattr(instance, _REQUEST, None))) for row in rows),
        )
        shown += format_html_join(
            "",
            "<p>{} <bdi>{}</bdi></p>",
            (
                (badge_of_source(each.link), wrong(each.link, WRONG))
                for each in found
                if each.link.trouble or each.row is None
            ),
        )
        words = _("Why?") if rows else _("Why not?")
        link = format_html(
            '<div class="cs-buttons"><a class="button" href="{}">{}</a></div>',
            self._why_address(instance),
            words,
        )
        return format_html("{}{}", shown, link)

    def _why_address(self, instance: Any) -> str:
        name = f"{self.opts.app_label}_{self.opts.model_name}_conversion"
        return address(self.admin_site, name, quote(instance.pk))

    # The page that says why

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_conversion"
        view = after_login(self.admin_site.admin_view(self._why), self.admin_site)
        return [path("<path:object_id>/conversion/", view, name=name), *super().get_urls()]

    def _why(self, request: HttpRequest, object_id: str) -> HttpResponse:
        instance = self.get_object(request, unquote(object_id))
        if instance is None:
            raise Http404
        if not self.has_view_permission(request, instance):
            raise PermissionDenied
        if request.method == "POST":
            return self._sync_now(request, instance)
        found = explain(instance)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Why it is in Conversion, or is not"),
            "name": name_of(instance),
            "opts": self.opts,
            "original": instance,
            "explanations": [
                (readable(each), self._row_address(each.row, request)) for each in found
            ],
            "may_sync": bool(found) and self._may_sync(request),
            "media": self.media,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/conversion_sync/why.html", context)

    def _row_address(self, row: SyncedModel | None, request: HttpRequest | None) -> str:
        """The page of a row; blank where this person may not look at it."""
        if row is None or request is None:
            return ""
        name = str(row._meta.model_name)
        if not may_view(request, name):
            return ""
        return address(self.admin_site, f"conversion_sync_{name}_change", row.pk)

    def _row_link(self, row: SyncedModel, request: HttpRequest | None) -> SafeString | str:
        page = self._row_address(row, request)
        return format_html('<a href="{}">{}</a>', page, row) if page else str(row)

    def _may_sync(self, request: HttpRequest) -> bool:
        user: Any = request.user
        kinds = {each.kind for each in registry.of(self.model)}
        return bool(kinds) and all(user.has_perm(f"conversion_sync.sync_{kind}") for kind in kinds)

    def _sync_now(self, request: HttpRequest, instance: Any) -> HttpResponse:
        """Render the instance as it is now, and have its rows sent, changed or not."""
        if not self._may_sync(request):
            raise PermissionDenied
        for declared in registry.of(self.model):
            render(database(), declared, [key_as(instance, declared.model)], bulk=False)
        for each in standings(self.model, [instance.pk]).get(str(instance.pk), []):
            if each.row is not None:
                type(each.row).objects.using(database()).filter(pk=each.row.pk).sync_now()
        messages.success(request, _("What is mirrored of it is sent now."))
        return HttpResponseRedirect(self._why_address(instance))


def _standings(model: type[models.Model], pks: Collection[Any]) -> dict[str, list[Standing]]:
    """How these instances stand, and why the rows of theirs have not arrived."""
    found, by_model = standings(model, pks), defaultdict[Any, list[Any]](list)
    for each in itertools.chain(*found.values()):
        if each.row is not None:
            by_model[type(each.row)].append(each.row)
    for rows in by_model.values():
        note_reasons(rows)
    return found


def _badge(row: SyncedModel) -> SafeString:
    return badges.render(badges.badge(row, times.now(), why(row), follows(row), outlook_of(row)))
