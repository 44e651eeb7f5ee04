"""Contacts in the admin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from conversion_sync.admin import actions, badges, search
from conversion_sync.admin.base import variables_table
from conversion_sync.admin.comparing import ComparedAdmin
from conversion_sync.admin.contact_form import ContactForm
from conversion_sync.admin.contact_history import HistoryAdmin
from conversion_sync.admin.deleting import Consequence, DeletableAdmin, Few, in_conversion
from conversion_sync.admin.filters import CompanyFilter, ErrorFilter, RecordStatusFilter
from conversion_sync.admin.history import may_view
from conversion_sync.admin.panel import pace
from conversion_sync.admin.portable import PortableAdmin
from conversion_sync.admin.waiting import note_deletions, note_opt_outs
from conversion_sync.models import Contact, Deletion, Engagement, Status, SyncedModel

__all__ = ["ContactAdmin"]

PERSON = ("email", "first_name", "last_name", "phone", "title", "linkedin_url", "company")


@admin.register(Contact)
class ContactAdmin(PortableAdmin, HistoryAdmin, ComparedAdmin, DeletableAdmin):
    """People, their consent, and whether Conversion knows of them."""

    actions = (*ComparedAdmin.actions, actions.compare, actions.set_subscription)
    autocomplete_fields = ("company",)
    form = ContactForm
    list_display = (
        "email",
        "sync_state",
        "full_name",
        "company",
        "subscription_status",
        "error",
        "synced_at",
    )
    list_filter = (
        RecordStatusFilter,
        ErrorFilter,
        "subscription_status",
        ("company", CompanyFilter),
        "updated_at",
    )
    list_select_related = ("company",)
    sortable_by = ("email", "full_name")
    search_help_text = _("By the beginning of the email or the last name, or by both names.")
    edit_fieldsets = (
        (None, {"fields": (PERSON[0], "confirmed_key", *PERSON[1:])}),
        (_("Consent"), {"fields": ("subscription_status", "reason")}),
        (_("Variables"), {"fields": ("custom_variables", "external_contact")}),
    )
    view_fieldsets = (
        (None, {"fields": PERSON}),
        (_("Consent"), {"fields": ("subscription_status",)}),
        (_("Variables"), {"fields": ("variables", "reference_data")}),
    )

    @admin.display(description=_("name"), ordering="last_name")
    def full_name(self, contact: Contact) -> str:
        """First and last name."""
        return f"{contact.first_name} {contact.last_name}".strip()

    @admin.display(description=_("custom variables"))
    def variables(self, contact: Contact) -> str:
        """The custom variables, for reading."""
        return variables_table(contact.custom_variables)

    @admin.display(description=_("reference data"))
    def reference_data(self, contact: Contact) -> str:
        """What other systems know the person by, for reading."""
        return variables_table(contact.external_contact)

    def matches(self, term: str) -> Q:
        return search.contact(term)

    def prepare(self, rows: Sequence[Contact]) -> None:
        note_deletions(rows, Deletion.Kind.CONTACT)
        note_opt_outs(rows)

    @admin.display(description=_("status"))
    def sync_state(self, row: SyncedModel) -> SafeString:
        """The badge, and a second one for an opt-out that has not arrived."""
        badge, opt_out = super().sync_state(row), getattr(row, "opt_out", None)
        if opt_out is None:
            return badge
        return format_html("{} {}", badge, badges.render(badges.opt_out(opt_out)))

    def panel_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        context = super().panel_context(request, row)
        if (opt_out := getattr(row, "opt_out", None)) is None:
            return context
        context["panel"] = context["panel"].at_pace(pace(opt_out))
        if may_view(request, "subscriptionchange"):
            name = "admin:conversion_sync_subscriptionchange_change"
            address = reverse(name, args=(opt_out.pk,), current_app=self.admin_site.name)
            link = (gettext("See the opt-out"), address)
            context["panel_links"] = [*context.get("panel_links", []), link]
        return context

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        may = self.has_set_subscription_permission(request)
        return fieldsets if may else _without(fieldsets, "reason")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        is_open = self.has_set_subscription_permission(request) or not self.may_edit(request, obj)
        return fields if is_open else (*fields, "subscription_status")

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, *args, **kwargs)
        form.user = request.user
        return form

    def save_model(self, request: HttpRequest, obj: Contact, form: Any, change: bool) -> None:  # type: ignore[override]  # this model's rows
        """As the base; the subscription is touched only where the person changed it."""
        if change and not form.changes_subscription:
            obj.keep_subscription()
        reason = form.cleaned_data.get("reason", "")
        with self.on_behalf_of(request, reason=reason, override=form.overrides):
            super().save_model(request, obj, form, change)

    def consequences(self, rows: QuerySet[Contact]) -> Iterator[Consequence]:
        engagements = Few.of(_engagements(rows))
        unsent = Few.of(_engagements(rows).exclude(sync_status=Status.SYNCED))
        if engagements.count:
            words = ngettext(
                "%d engagement is deleted here, too.",
                "%d engagements are deleted here, too.",
                engagements.count,
            )
            yield Consequence(words % engagements.count)
        if unsent.count:
            words = ngettext(
                "%d of them has not arrived in Conversion, and is not sent any more:",
                "%d of them have not arrived in Conversion, and are not sent any more:",
                unsent.count,
            )
            yield Consequence(words % unsent.count, unsent)
        yield from in_conversion(rows)
        yield Consequence(
            gettext("The consent log stays, and an opt-out that has not arrived is still sent.")
        )

    def missing_to_delete(self, request: HttpRequest, rows: QuerySet[Contact]) -> set[Any]:
        user: Any = request.user
        may = user.has_perm("conversion_sync.delete_engagement")
        if may or not _engagements(rows).exists():
            return set()
        return {Engagement._meta.verbose_name_plural}


def _engagements(contacts: QuerySet[Contact]) -> QuerySet[Engagement]:
    return Engagement.objects.filter(contact__in=contacts).order_by("-pk")


def _without(fieldsets: Any, name: str) -> Any:
    return [
        (title, options | {"fields": tuple(field for field in options["fields"] if field != name)})
        for title, options in fieldsets
    ]
