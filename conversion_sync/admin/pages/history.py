"""What happened with a contact, on its page: engagements and consent, and a form to log more."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from conversion_sync.admin import badges
from conversion_sync.admin.forms.log_engagement import LoggingForm
from conversion_sync.admin.lists.contacts import opt_out
from conversion_sync.admin.lists.waiting import note_reasons, outlook_of, why
from conversion_sync.admin.pages.panel import refresh_seconds
from conversion_sync.admin.pages.row_page import RowAdmin, RowPage
from conversion_sync.admin.site import address, may_view
from conversion_sync.models import Contact, Engagement, SubscriptionChange, SyncedModel
from conversion_sync.models.database import database
from conversion_sync.status import times

__all__ = ["PAGES", "history", "opt_out_link"]

#: So many of each are shown; the lists hold all.
NEWEST = 20

TEXT_LENGTH, NAME_LENGTH = 500, 100

#: Where on the page the engagements are.
ENGAGEMENTS = "#cs-engagements"


@dataclass(frozen=True)
class Event:
    """A row, its badge, its page, its time, and what was said of it."""

    row: Any
    badge: SafeString
    address: str
    when: str
    text: str


@dataclass(frozen=True)
class Section:
    """The newest rows of one kind, and the list of all.

    ``every``: seconds after which it shows itself anew; 0 where nothing is on its way.
    """

    lines: Sequence[Event]
    address: str
    every: int


def history(modeladmin: RowAdmin, request: HttpRequest, contact: Contact) -> dict[str, Any]:
    """What the contact's page shows of its history, as far as this person may look at that."""
    shown = _sections(modeladmin, request, contact)
    if _may_log(request):
        shown["log_form"] = LoggingForm(prefix="log")
        shown["log_url"] = modeladmin.row_address("log", contact) + ENGAGEMENTS
    return shown


def opt_out_link(
    modeladmin: RowAdmin, request: HttpRequest, contact: Contact
) -> Iterator[tuple[str, str]]:
    """The words and the address of an opt-out that has not arrived, for those who may see it."""
    change = opt_out(contact)
    if change is not None and may_view(request, "subscriptionchange"):
        name = "conversion_sync_subscriptionchange_change"
        if page := address(modeladmin.admin_site, name, change.pk):
            yield _("See the opt-out"), page


def _sections(modeladmin: RowAdmin, request: HttpRequest, contact: Contact) -> dict[str, Any]:
    shown: dict[str, Any] = {"history_url": modeladmin.row_address("history-rows", contact)}
    site = modeladmin.admin_site
    if may_view(request, "engagement"):
        engagements = Engagement.objects.filter(contact=contact).order_by("-occurred_at", "-pk")
        shown["engagements"] = _section(engagements, contact, site, "occurred_at", "name")
    if may_view(request, "subscriptionchange"):
        changes = SubscriptionChange.objects.filter(contact=contact).order_by("-pk")
        shown["consent"] = _section(changes, contact, site, "created_at", "reason")
    return shown


def _section(rows: Any, contact: Contact, site: AdminSite, when: str, text: str) -> Section:
    found: list[Any] = list(rows[:NEWEST])
    for row in found:
        row.contact = contact
    note_reasons(found)
    now = times.now()
    lines = [
        Event(
            row,
            _badge(row, now),
            address(site, f"conversion_sync_{row._meta.model_name}_change", row.pk),
            times.exact(getattr(row, when)),
            badges.one_line(getattr(row, text), TEXT_LENGTH),
        )
        for row in found
    ]
    whole = address(site, f"conversion_sync_{rows.model._meta.model_name}_changelist")
    return Section(lines, whole, refresh_seconds(found))


def _badge(row: SyncedModel, now: Any) -> SafeString:
    return badges.render(badges.badge(row, now, why(row), outlook=outlook_of(row)))


def _may_log(request: HttpRequest) -> bool:
    user: Any = request.user
    return bool(user.has_perm("conversion_sync.add_engagement"))


def _show(modeladmin: RowAdmin, request: HttpRequest, contact: Contact) -> HttpResponse:
    """The history alone, for the page to show it anew."""
    template = "admin/conversion_sync/includes/history_rows.html"
    return TemplateResponse(request, template, _sections(modeladmin, request, contact))


def _log(modeladmin: RowAdmin, request: HttpRequest, contact: Contact) -> HttpResponse:
    """Log an engagement, and go back to the contact's page; or say there what is wrong."""
    if not _may_log(request):
        raise PermissionDenied
    page = modeladmin.row_address("change", contact)
    if request.method == "POST":
        form = LoggingForm(request.POST, instance=Engagement(contact=contact), prefix="log")
        if not form.is_valid():
            # Shown, and not posted: the contact's own form has nothing to do with it.
            shown = copy.copy(request)
            shown.method = "GET"
            return modeladmin.change_view(shown, str(contact.pk), page, {"log_form": form})
        _enter(modeladmin, request, form)
    return HttpResponseRedirect(page + ENGAGEMENTS)


def _enter(modeladmin: RowAdmin, request: HttpRequest, form: LoggingForm) -> None:
    try:
        with modeladmin.on_behalf_of(request), transaction.atomic(database()):
            engagement: Any = form.save()
    except IntegrityError as error:
        raise Http404 from error  # The contact was deleted meanwhile.
    modeladmin.log_addition(request, engagement, [{"added": {}}])
    text = _("The engagement “%s” is logged.") % badges.one_line(engagement.name, NAME_LENGTH)
    modeladmin.message_user(request, badges.isolated(text), messages.SUCCESS)


PAGES = (RowPage("history-rows", _show, methods=("GET",)), RowPage("log", _log))
