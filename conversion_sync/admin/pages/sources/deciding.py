"""What a person decides of sources: to have them looked at again, to let those held leave."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from conversion_sync.admin.lists.sources import ANY, kinds_of, mirror_name
from conversion_sync.admin.pages.sources.leaving import leaving
from conversion_sync.admin.pages.sources.shown import shown
from conversion_sync.mirrors.decisions import let_leave, look_again, look_again_at_all
from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.registry import registry
from conversion_sync.models import MirrorLink, MirrorState
from conversion_sync.models.database import database
from conversion_sync.status.numbers import grouped
from conversion_sync.sync.retry import retried
from conversion_sync.sync.transactions import short_transaction

__all__ = ["held_words", "let_leave_view", "look_again_view"]

Trouble = MirrorLink.Trouble


class SourceAdmin(Protocol):
    """What these pages ask of the model admin that they belong to."""

    opts: Any
    admin_site: AdminSite

    def has_view_permission(self, request: HttpRequest) -> bool: ...

    def has_sync_permission(self, request: HttpRequest, kind: str) -> bool: ...

    def has_let_leave_permission(self, request: HttpRequest) -> bool: ...

    def list_address(self, **query: str) -> str: ...

    def message_user(self, request: HttpRequest, message: Any, level: int) -> None: ...

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any: ...


def held_words(label: str, count: int) -> str:
    """That so many rows of the mirror of this label are held."""
    declared = registry.get(label)
    if declared is None:
        return label
    words = ngettext(
        "%(count)s of the %(rows)s of “%(mirror)s” would leave: too many not to ask you.",
        "%(count)s of the %(rows)s of “%(mirror)s” would leave: too many not to ask you.",
        count,
    )
    return words % {
        "count": grouped(count),
        "rows": kinds_of(declared.kind),
        "mirror": mirror_name(declared),
    }


def look_again_view(modeladmin: SourceAdmin, request: HttpRequest) -> HttpResponse:
    """Have one source looked at again, or all of a mirror with the same trouble."""
    if not modeladmin.has_view_permission(request):
        raise PermissionDenied
    kind, look = _asked(request)
    if not modeladmin.has_sync_permission(request, kind):
        raise PermissionDenied
    count = look()
    words = ngettext(
        "%s source is looked at again with the next drain.",
        "%s sources are looked at again with the next drains.",
        count,
    )
    modeladmin.message_user(request, words % grouped(count), messages.SUCCESS)
    back = request.POST.get("back", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        back = modeladmin.list_address()
    return HttpResponseRedirect(back)


def _asked(request: HttpRequest) -> tuple[str, Callable[[], int]]:
    """The kind of the rows, and what has their sources looked at again.

    Raises:
        Http404: there is no such source, mirror or trouble.
    """
    given = request.POST
    if (pk := given.get("pk", "")).isdecimal():
        links = MirrorLink.objects.using(database()).filter(pk=int(pk[:18]))
        if (kind := links.values_list("kind", flat=True).first()) is None:
            raise Http404
        return kind, partial(look_again, database(), links)
    declared, trouble = registry.get(given.get("mirror", "")), given.get("trouble")
    if declared is None or trouble not in (ANY, *Trouble.values):
        raise Http404
    wanted = "" if trouble == ANY else trouble
    return declared.kind, partial(look_again_at_all, database(), declared, wanted)


def let_leave_view(modeladmin: SourceAdmin, request: HttpRequest) -> HttpResponse:
    """Ask whether the rows of a mirror that are held may leave, and have them leave."""
    if not modeladmin.has_view_permission(request):
        raise PermissionDenied
    if not modeladmin.has_let_leave_permission(request):
        raise PermissionDenied
    declared = registry.get(request.GET.get("mirror", ""))
    if declared is None:
        raise Http404
    if request.method == "POST" and (words := _let_leave(modeladmin, request, declared)):
        modeladmin.message_user(request, words, messages.SUCCESS)
        return HttpResponseRedirect(modeladmin.list_address(mirror=declared.label))
    found = leaving(modeladmin.admin_site, request, declared, database())
    if not found.count:
        modeladmin.message_user(request, _("Nothing of it is held any more."), messages.INFO)
        return HttpResponseRedirect(modeladmin.list_address(mirror=declared.label))
    context = {
        **modeladmin.admin_site.each_context(request),
        "title": _("Let %s leave?") % found.rows,
        "opts": modeladmin.opts,
        "leaving": found,
        "named": [shown(each) for each in found.named],
        "has_grown": request.method == "POST",
        "list_address": modeladmin.list_address(mirror=declared.label, trouble=Trouble.HELD),
    }
    return TemplateResponse(request, "admin/conversion_sync/leaving.html", context)


@retried
def _let_leave(modeladmin: SourceAdmin, request: HttpRequest, declared: Declared) -> str:
    """Let those leave that were confirmed, and log it, both or neither; blank: they have grown."""
    user: Any = request.user
    known = request.POST.get("counted", "")
    if not known.isdecimal():
        return ""
    with short_transaction(database()):
        count = let_leave(
            database(), declared, at_most=int(known[:18]), requested_by=user.get_username()
        )
        if not count:
            return ""
        words = ngettext(
            "%(count)s of the %(rows)s leaves with the next drain.",
            "%(count)s of the %(rows)s leave with the next drains.",
            count,
        ) % {"count": grouped(count), "rows": kinds_of(declared.kind)}
        for state in MirrorState.objects.using(database()).filter(mirror=declared.label):
            modeladmin.log_change(request, state, words)
    return words
