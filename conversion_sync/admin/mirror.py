"""Mirrored sources in the admin: what is wrong with them, and what a person decides of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conversion_sync.admin.badges import isolated
from conversion_sync.admin.lists import cells
from conversion_sync.admin.lists.read_only import LogAdmin
from conversion_sync.admin.lists.sources import (
    ANY,
    MirrorFilter,
    TroubleFilter,
    mirror_name,
)
from conversion_sync.admin.pages import sources
from conversion_sync.admin.pages.sources import deciding
from conversion_sync.admin.site import address, pressed
from conversion_sync.mirrors.figures import held
from conversion_sync.mirrors.registry import registry
from conversion_sync.models import MirrorLink
from conversion_sync.models.database import database

__all__ = ["MirrorLinkAdmin"]

Kind, Trouble = MirrorLink.Kind, MirrorLink.Trouble

#: Characters of a reason in the list.
REASON = 200


@admin.register(MirrorLink)
class MirrorLinkAdmin(LogAdmin):
    """The sources that mirrors have looked at."""

    change_list_template = "admin/conversion_sync/source_list.html"
    list_display = ("source_name", "mirror_name", "wrong", "buttons")
    list_filter = (TroubleFilter, MirrorFilter)
    search_fields = ("pk",)  # For the search box; `get_search_results` says what is looked at.
    search_help_text = gettext_lazy(
        "By the primary key of the source, or the beginning of its key."
    )

    def get_model_perms(self, request: HttpRequest) -> Any:
        """A site without mirrors has no use for it on its index."""
        return super().get_model_perms(request) if [*registry] else {}

    # The list

    def get_list_display(self, request: HttpRequest) -> Any:
        """Which mirror it is of is said where there are several."""
        several = len([*registry]) > 1 and not request.GET.get("mirror")
        return [name for name in self.list_display if several or name != "mirror_name"]

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        term = search_term.replace("\0", "").strip()
        if not term:
            return queryset, False
        # As the indexes have it.
        by_source = Q(mirror__in=[*registry.labels()], source=term)
        by_key = Q(kind__in=Kind.values, key__startswith=term)
        return queryset.filter(by_source | by_key), False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        sources.note(self.admin_site, request, changelist.result_list)
        return changelist

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """As Django's, with what can be decided of a mirror as a whole on top."""
        mirror, trouble = (request.GET.get(name, "") for name in ("mirror", "trouble"))
        context = {
            "held": self._held(request, mirror),
            "again": self._again(request, mirror, trouble),
            "back": request.get_full_path(),
            "may_look_again": any(map(partial(self.has_sync_permission, request), Kind)),
        }
        return super().changelist_view(request, context | (extra_context or {}))

    def _held(self, request: HttpRequest, mirror: str) -> list[tuple[str, str]]:
        """Of each mirror that is listed, the rows that would leave, and the address to decide."""
        return [
            (deciding.held_words(label, count), self._decide_address(request, label))
            for label, count in held(database()).items()
            if mirror in ("", label)
        ]

    def _decide_address(self, request: HttpRequest, mirror: str) -> str:
        if not self.has_let_leave_permission(request):
            return ""
        where = address(self.admin_site, "conversion_sync_mirrorlink_let_leave")
        return f"{where}?{urlencode({'mirror': mirror})}"

    def _again(self, request: HttpRequest, mirror: str, trouble: str) -> dict[str, str]:
        """What the button sends that has all looked at again that are listed of one mirror."""
        declared = registry.get(mirror)
        if declared is None or trouble not in (ANY, *Trouble.values):
            return {}
        if not self.has_sync_permission(request, declared.kind):
            return {}
        return {"mirror": mirror, "trouble": trouble}

    @admin.display(description=gettext_lazy("source"))
    def source_name(self, link: MirrorLink) -> SafeString:
        """What it is, its name, and the key that it has, or wants."""
        found = sources.shown(link)
        return cells.lines(cells.text(f"{found.kind} {found.name}"), cells.key(found.key))

    @admin.display(description=gettext_lazy("mirror"))
    def mirror_name(self, link: MirrorLink) -> SafeString | str:
        """What makes which rows of it."""
        declared = registry.get(link.mirror)
        return cells.text(link.mirror if declared is None else mirror_name(declared))

    @admin.display(description=gettext_lazy("what is wrong"))
    def wrong(self, link: MirrorLink) -> SafeString:
        """The badge, and why."""
        why = isolated(sources.wrong(link, REASON))
        return format_html("<div>{} <div>{}</div></div>", sources.badge(link), why)

    @admin.display(description=gettext_lazy("where to go"))
    def buttons(self, link: MirrorLink) -> SafeString:
        """Its pages; and, where something is wrong, the button that has it looked at again."""
        found = sources.shown(link)
        links = format_html_join(
            " ",
            '<a href="{}" aria-label="{}: {}">{}</a>',
            ((where, words, found.name, words) for words, where in self._pages(link)),
        )
        if not (link.trouble and found.may_look_again):
            return links
        button = format_html(
            '<button type="submit" class="button" form="cs-again" name="pk" value="{}" '
            'aria-label="{}: {}">{}</button>',
            link.pk,
            _("Look again"),
            found.name,
            _("Look again"),
        )
        return format_html("{} {}", links, button)

    def _pages(self, link: MirrorLink) -> Sequence[tuple[str, str]]:
        found = sources.shown(link)
        pages = (
            (_("Open"), found.address),
            (_("Why?"), found.why or address(self.admin_site, self._name("change"), link.pk)),
            (_("Row"), found.row_address),
        )
        return [(words, where) for words, where in pages if where]

    # The page of a source

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """What its mirror makes of it, and why."""
        if request.method == "POST":
            raise PermissionDenied
        link = self._link_or_404(request, object_id)
        sources.note(self.admin_site, request, [link])
        is_held = link.trouble == Trouble.HELD
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "list_address": self.list_address(mirror=link.mirror, trouble=link.trouble or ""),
            "decide_address": self._decide_address(request, link.mirror) if is_held else "",
            "back": request.get_full_path(),
            **sources.source_page(link),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/conversion_sync/source.html", context)

    def _link_or_404(self, request: HttpRequest, object_id: str) -> MirrorLink:
        link: MirrorLink | None = self.get_object(request, unquote(object_id))
        if link is None:
            raise Http404
        if not self.has_view_permission(request, link):
            raise PermissionDenied
        return link

    def _name(self, page: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"

    def list_address(self, **query: str) -> str:
        """The address of the list, with these filters."""
        given = {name: value for name, value in query.items() if value}
        where = address(self.admin_site, self._name("changelist"))
        return f"{where}?{urlencode(given)}" if given else where

    # What a person decides

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        again = pressed(self.look_again_view, lambda request: self.list_address())
        return [
            path("look-again/", wrap(again), name=self._name("look_again")),
            path("let-leave/", wrap(self.let_leave_view), name=self._name("let_leave")),
            *super().get_urls(),
        ]

    def look_again_view(self, request: HttpRequest) -> HttpResponse:
        return deciding.look_again_view(self, request)

    def let_leave_view(self, request: HttpRequest) -> HttpResponse:
        return deciding.let_leave_view(self, request)

    # Permissions

    def has_sync_permission(self, request: HttpRequest, kind: str) -> bool:
        """Whether this person may have rows of this kind looked at again, and sent."""
        user: Any = request.user
        return bool(user.has_perm(f"conversion_sync.sync_{kind}"))

    def has_let_leave_permission(self, request: HttpRequest) -> bool:
        """Whether this person may let rows leave that are held."""
        user: Any = request.user
        return bool(user.has_perm("conversion_sync.let_leave"))
