"""Contacts in the admin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from conversion_sync.admin import search
from conversion_sync.admin.base import variables_table
from conversion_sync.admin.comparing import ComparedAdmin
from conversion_sync.admin.contact_form import ContactForm
from conversion_sync.admin.filters import CompanyFilter, ErrorFilter, RecordStatusFilter
from conversion_sync.admin.history import history_context
from conversion_sync.admin.waiting import note_deletions
from conversion_sync.conf import conf
from conversion_sync.models import Contact, Deletion, Engagement, Status

__all__ = ["ContactAdmin"]

PERSON = ("email", "first_name", "last_name", "phone", "title", "linkedin_url", "company")


@admin.register(Contact)
class ContactAdmin(ComparedAdmin):
    """People, their consent, and whether Conversion knows of them."""

    autocomplete_fields = ("company",)
    change_form_template = "admin/conversion_sync/contact_change_form.html"
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
    search_help_text = _("By the beginning of the email or the last name, or by both names.")
    edit_fieldsets = (
        (None, {"fields": PERSON}),
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

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if (contact := kwargs.get("obj")) is not None:
            context |= history_context(request, contact, self.admin_site)
        return super().render_change_form(request, context, *args, **kwargs)

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

    def what_goes_with(self, rows: Sequence[Contact]) -> Iterable[tuple[Any, int]]:
        engagements = Engagement.objects.filter(contact__in=[row.pk for row in rows])
        unsent = engagements.exclude(sync_status=Status.SYNCED)
        yield Engagement._meta.verbose_name_plural, engagements.count()
        yield _("Engagements among them that have not arrived in Conversion"), unsent.count()
        if conf.delete_remote:
            yield _("Contacts deleted in Conversion, too"), sum(bool(row.sent_key) for row in rows)

    def missing_to_delete(self, request: HttpRequest, counts: dict[Any, int]) -> set[Any]:
        meta, user = Engagement._meta, request.user
        if meta.verbose_name_plural in counts and not user.has_perm(
            "conversion_sync.delete_engagement"
        ):
            return {meta.verbose_name}
        return set()
