"""Contacts in the admin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from conversion_sync.admin.forms.contact import ContactForm
from conversion_sync.admin.lists import contacts
from conversion_sync.admin.pages import history
from conversion_sync.admin.record import RecordAdmin
from conversion_sync.models import Contact, Engagement, Status, SyncedModel
from conversion_sync.status.numbers import grouped

__all__ = ["ContactAdmin"]

PERSON = ("email", "first_name", "last_name", "phone", "title", "linkedin_url", "company")


@admin.register(Contact)
class ContactAdmin(RecordAdmin):
    """People, their consent, and whether Conversion knows of them."""

    actions = (*RecordAdmin.actions, "set_subscription", "export_selected")
    autocomplete_fields = ("company",)
    change_form_template = "admin/conversion_sync/contact_change_form.html"
    form = ContactForm
    list_display = ("shown_email", "name", "sync_state", "consent")
    list_filter = (
        *RecordAdmin.list_filter,
        "subscription_status",
        contacts.WishFilter,
        ("company", contacts.CompanyFilter),
        "updated_at",
    )
    list_select_related = ("company",)
    row_pages = (*RecordAdmin.row_pages, *history.PAGES)
    sortable_by = ("shown_email", "name")
    readonly_fields = ("wish",)
    edit_fieldsets = (
        (None, {"fields": (PERSON[0], "confirmed_key", *PERSON[1:])}),
        (_("Consent"), {"fields": ("subscription_status", "wish", "reason", "told_opt_out")}),
        (_("Variables"), {"fields": ("custom_variables", "external_contact")}),
    )
    view_fieldsets = (
        (None, {"fields": PERSON}),
        (_("Consent"), {"fields": ("subscription_status", "wish")}),
        (_("Variables"), {"fields": ("variables", "reference_data")}),
    )

    @property
    def media(self) -> Any:
        return super().media + contacts.filter_media(self.admin_site)

    # Lists

    @admin.display(description=_("email"), ordering="key")
    def shown_email(self, contact: Contact) -> SafeString | str:
        """The email."""
        return contacts.email(contact)

    @admin.display(description=_("name, company"), ordering="last_name")
    def name(self, contact: Contact) -> SafeString:
        """First and last name, and the company."""
        return contacts.name(contact)

    @admin.display(description=_("subscription"))
    def consent(self, contact: Contact) -> SafeString | str | None:
        """What stands, and a wish that is not let through."""
        return contacts.consent(contact)

    def badge(self, row: Any) -> SafeString:
        """The badge, and a second one for an opt-out that has not arrived."""
        return contacts.with_opt_out(super().badge(row), row)

    def search_condition(self, term: str) -> Q:
        return contacts.search(term)

    def search_in_words(self) -> str:
        return contacts.search_in_words()

    def prepare(self, rows: Sequence[Contact]) -> None:
        super().prepare(rows)
        contacts.note(rows)

    # The page of a contact

    @admin.display(description=_("wish"))
    def wish(self, contact: Contact) -> str:
        """A wish that is not let through."""
        return capfirst(contacts.held_wish(contact))

    @admin.display(description=_("reference data"))
    def reference_data(self, contact: Contact) -> str:
        """What other systems know the person by, for reading."""
        return self.named_values(contact.external_contact)

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return super().page_context(request, row) | history.history(self, request, row)

    def panel_links(self, request: HttpRequest, row: Any) -> Iterator[tuple[str, str]]:
        yield from super().panel_links(request, row)
        yield from history.opt_out_link(self, request, row)

    def companions(self, row: Any) -> Sequence[SyncedModel]:
        opt_out = contacts.opt_out(row)
        return () if opt_out is None else (opt_out,)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or not contacts.held_wish(obj):
            fieldsets = _without(fieldsets, "wish")
        may = self.has_set_subscription_permission(request)
        return fieldsets if may else _without(fieldsets, "reason", "told_opt_out")

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

    # Deleting

    def consequences(
        self, rows: QuerySet[Contact]
    ) -> Iterator[tuple[str, QuerySet[Engagement] | None]]:
        engagements = _engagements(rows)
        unsent = engagements.exclude(sync_status=Status.SYNCED)
        if number := engagements.count():
            words = ngettext(
                "%s engagement is deleted here, too.",
                "%s engagements are deleted here, too.",
                number,
            )
            yield words % grouped(number), None
        if number := unsent.count():
            words = ngettext(
                "%s of them has not arrived in Conversion, and is not sent any more:",
                "%s of them have not arrived in Conversion, and are not sent any more:",
                number,
            )
            yield words % grouped(number), unsent
        yield from super().consequences(rows)
        yield (
            gettext("The consent log stays, and an opt-out that has not arrived is still sent."),
            None,
        )

    def missing_to_delete(self, request: HttpRequest, rows: QuerySet[Contact]) -> set[Any]:
        user: Any = request.user
        may = user.has_perm("conversion_sync.delete_engagement")
        if may or not _engagements(rows).exists():
            return set()
        return {Engagement._meta.verbose_name_plural}


def _engagements(contacts: QuerySet[Contact]) -> QuerySet[Engagement]:
    return Engagement.objects.filter(contact__in=contacts).order_by("-pk")


def _without(fieldsets: Any, *names: str) -> Any:
    return [
        (title, options | {"fields": tuple(f for f in options["fields"] if f not in names)})
        for title, options in fieldsets
    ]
