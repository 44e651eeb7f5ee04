"""The consent log in the admin: to be read; and to lift an opt-out, with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from conversion_sync.admin.lists import cells, search
from conversion_sync.admin.lists.filters import ErrorFilter, EventStatusFilter, recent_values
from conversion_sync.admin.lists.read_only import ReadOnlyAdmin
from conversion_sync.admin.pages.row_page import RowAdmin, RowPage
from conversion_sync.admin.synced import SyncedAdmin
from conversion_sync.api.errors import ErrorCode
from conversion_sync.models import Contact, Status, SubscriptionChange
from conversion_sync.models.database import database
from conversion_sync.status import times

__all__ = ["SubscriptionChangeAdmin"]


class OverrideForm(forms.Form):
    """Why an opt-out is lifted, and which: the newest that the page has told of."""

    reason = forms.CharField(
        label=_("reason"),
        max_length=1000,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text=_("How and when the person asked to be subscribed again, for the consent log."),
    )
    told = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any, standing: str) -> None:
        super().__init__(data, initial={"told": standing})
        self._standing = standing

    def clean(self) -> dict[str, Any]:
        """Ask once more where the person has opted out again since the page was shown."""
        posted: Any = self.data
        data = posted.copy()
        if (told := self.cleaned_data.get("told")) and told != self._standing:
            words = _(
                "This person has opted out again meanwhile. To subscribe this person anyway, "
                "press the button again."
            )
            self.add_error(None, ValidationError(words, code="told"))
        data["told"] = self._standing
        self.data = data
        return self.cleaned_data


def _may_override(request: HttpRequest) -> bool:
    user: Any = request.user
    return bool(user.has_perm("conversion_sync.override_consent"))


def _standing(row: SubscriptionChange) -> str:
    """The opt-out that blocks this change, as a page notes it."""
    people = [(row.contact_id, row.address)]
    (found,) = SubscriptionChange.standing_opt_outs(database(), people)
    return "" if found is None else str(found.pk)


def _is_blocked(row: Any) -> bool:
    return (
        row.sync_status == Status.FAILED
        and row.last_error_code == ErrorCode.CONSENT_BLOCKED
        and row.contact_id is not None
    )


def _override(row: SubscriptionChange) -> SubscriptionChange | None:
    """Enter the change again, as one that lifts older opt-outs; None if it was done meanwhile."""
    using = database()
    with transaction.atomic(using=using):
        rows = Contact.unmarked.using(using).filter(pk__in=[row.contact_id])
        contact = rows.select_for_update().first()
        same = SubscriptionChange.unmarked.using(using).filter(
            pk=row.pk, sync_status=Status.FAILED, claim=None
        )
        if contact is None or not same.update(sync_status=Status.SUPERSEDED, due_at=None):
            return None
        entered = SubscriptionChange(
            contact_id=contact.pk,
            address=contact.wanted_key,
            status=row.status,
            previous_status=contact.subscription_status,
        )
        SubscriptionChange.enter(using, [entered])
    return entered


def _answer(modeladmin: RowAdmin, request: HttpRequest, row: SubscriptionChange) -> HttpResponse:
    """Lift the opt-out that blocks this change, with a reason."""
    if not _may_override(request):
        raise PermissionDenied
    back = modeladmin.row_address("change", row)
    if not _is_blocked(row):
        modeladmin.message_user(request, _("No opt-out blocks this change."), messages.WARNING)
        return HttpResponseRedirect(back)
    form = OverrideForm(request.POST if request.method == "POST" else None, _standing(row))
    if request.method == "POST" and form.is_valid():
        with modeladmin.on_behalf_of(request, reason=form.cleaned_data["reason"], override=True):
            entered = _override(row)
        modeladmin.log_change(request, row, gettext("Subscribed anyway."))
        text = _("The subscription is sent anyway; the reason is in the consent log.")
        modeladmin.message_user(request, text, messages.SUCCESS)
        return HttpResponseRedirect(modeladmin.row_address("change", entered or row))
    context = {
        **modeladmin.admin_site.each_context(request),
        "title": _("Subscribe anyway"),
        "subtitle": str(row),
        "opts": modeladmin.opts,
        "row": row,
        "row_address": back,
        "form": form,
    }
    return TemplateResponse(request, "admin/conversion_sync/override.html", context)


@admin.register(SubscriptionChange)
class SubscriptionChangeAdmin(ReadOnlyAdmin, SyncedAdmin):
    """Who changed which consent, when and why, and whether Conversion knows."""

    list_display = ("change", "sync_state", "asked")
    list_filter = (
        EventStatusFilter,
        ErrorFilter,
        "status",
        recent_values("source", _("source")),
        "created_at",
    )
    list_select_related = ("contact",)
    row_pages = (RowPage("override", _answer),)
    sortable_by = ("asked",)
    search_help_text = _("By the beginning of the email.")
    view_fieldsets = (
        (
            None,
            {
                "fields": (
                    "address",
                    "contact",
                    "previous_status",
                    "new_status",
                    "requested_by",
                    "source",
                    "reason",
                    "override",
                    "created",
                )
            },
        ),
    )

    @admin.display(description=_("created at"))
    def created(self, change: SubscriptionChange) -> str:
        """When it was asked for, to the second."""
        return times.exact(change.created_at)

    def panel_links(self, request: HttpRequest, row: Any) -> Iterator[tuple[str, str]]:
        if _is_blocked(row) and _may_override(request):
            yield gettext("Subscribe anyway"), self.row_address("override", row)

    @admin.display(description=_("subscription change"))
    def change(self, change: SubscriptionChange) -> SafeString:
        """Whose subscription, and from what to what."""
        before = change.get_previous_status_display() or "–"  # noqa: RUF001  # a dash is meant
        steps = format_html("{} → {}", before, change.get_status_display())
        return cells.lines(cells.address(change.address), steps)

    @admin.display(description=_("asked for"), ordering="created_at")
    def asked(self, change: SubscriptionChange) -> SafeString:
        """When, by whom, by what, and why."""
        return cells.lines(
            cells.moment(change.created_at),
            cells.asker(change.requested_by, change.source),
            cells.text(change.reason),
        )

    @admin.display(description=_("to"))
    def new_status(self, change: SubscriptionChange) -> str:
        """The subscription that was asked for."""
        return change.get_status_display()

    def search_condition(self, term: str) -> Q:
        return search.by_address("address", term)
