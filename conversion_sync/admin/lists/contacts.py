"""What the list of contacts finds, offers to filter by, and shows of their consent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.db import router
from django.db.models import QuerySet
from django.forms import Media
from django.forms.models import ModelChoiceField
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conversion_sync.admin import badges
from conversion_sync.admin.lists import cells
from conversion_sync.admin.lists.search import contact as search
from conversion_sync.admin.lists.search import contact_in_words as search_in_words
from conversion_sync.admin.lists.waiting import note_renamed_companies
from conversion_sync.admin.site import Admin, ChangeList
from conversion_sync.models import Contact, Status, Subscription, SubscriptionChange
from conversion_sync.models.consent import consents, has_held_wish
from conversion_sync.status import times

__all__ = [
    "CompanyFilter",
    "WishFilter",
    "consent",
    "email",
    "filter_media",
    "held_wish",
    "name",
    "note",
    "opt_out",
    "search",
    "search_in_words",
    "with_opt_out",
]

#: Where a contact keeps what was noted of its consent, beside its columns.
OPT_OUT, HELD_WISH = "_conversion_opt_out", "_conversion_held_wish"

#: The id of the form of the filter by company, beside the list.
FILTER_FORM = "cs-filter"


def email(contact: Contact) -> SafeString | str:
    """The email, for the list."""
    return cells.key(contact.email)


def name(contact: Contact) -> SafeString:
    """First and last name, and the company, for the list."""
    person = f"{contact.first_name} {contact.last_name}".strip()
    company = "" if contact.company is None else str(contact.company)
    return cells.lines(cells.text(person), cells.text(company))


class WishFilter(admin.SimpleListFilter):
    """Contacts that stand unsubscribed, with a later wish that is not let through."""

    title = gettext_lazy("wish")
    parameter_name = "wish"

    def lookups(self, request: HttpRequest, model_admin: Admin) -> list[tuple[str, Any]]:
        return [("held", gettext_lazy("Held"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        held = self.value() == "held"
        return queryset.filter(has_held_wish(queryset.db)) if held else queryset


class CompanyFilter(admin.FieldListFilter):
    """One company, found by typing; the companies themselves may be a million."""

    template = "admin/conversion_sync/filters/company.html"

    def __init__(
        self,
        field: Any,
        request: HttpRequest,
        params: dict[str, list[str]],
        model: Any,
        model_admin: Admin,
        field_path: str,
    ) -> None:
        self.parameter = f"{field_path}__id__exact"
        super().__init__(field, request, params, model, model_admin, field_path)
        # A form where none is chosen says so; a theme's form repeats it once one is.
        given: Any = self.used_parameters.pop(self.parameter, [])
        if values := [value for value in given if value]:
            self.used_parameters[self.parameter] = values
        self.site = model_admin.admin_site
        self.companies = field.remote_field.model._default_manager

    def expected_parameters(self) -> list[str | None]:
        return [self.parameter]

    def has_output(self) -> bool:
        return True

    @property
    def chosen(self) -> str:
        """The primary key that is asked for; blank if none is, or not one."""
        given: Any = self.used_parameters.get(self.parameter) or [""]
        value = str(given[0])
        return value if value.isdecimal() and value.isascii() and len(value) < 19 else ""

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        widget = AutocompleteSelect(self.field, self.site, attrs={"form": FILTER_FORM})
        widget.choices = self._choices()
        kept = changelist.get_filters_params().items()
        yield {
            "selected": bool(self.chosen),
            "widget": widget.render(self.parameter, self.chosen, {"id": "id_company_filter"}),
            "kept": [(k, v) for k, values in kept if k != self.parameter for v in values],
            "query": changelist.query,
            "form": FILTER_FORM,
            "clear": changelist.get_query_string(remove=[self.parameter]),
        }

    def _choices(self) -> Any:
        return ModelChoiceField(self.companies.all(), required=False).choices


def filter_media(site: admin.AdminSite) -> Media:
    """What a browser needs for the filter by company."""
    media: Media = AutocompleteSelect(Contact._meta.get_field("company"), site).media
    return media


def note(contacts: Sequence[Contact]) -> None:
    """Note on each contact what of it is still to arrive, and its consent: two queries for all."""
    note_renamed_companies(contacts)
    note_consent(contacts)


def note_consent(contacts: Sequence[Contact]) -> None:
    """Note which contacts have an opt-out that has not arrived, or a wish that is not let through.

    One query for all.
    """
    using = router.db_for_read(SubscriptionChange)
    people = [(contact.pk, contact.wanted_key) for contact in contacts]
    for contact, consent in zip(contacts, consents(using, people), strict=True):
        opt_out, wish = consent.opt_out, consent.wish
        if opt_out is not None and opt_out.sync_status != Status.SYNCED:
            vars(contact)[OPT_OUT] = opt_out
        vars(contact)[HELD_WISH] = "" if wish is None else _in_words(wish)


def opt_out(contact: Contact) -> SubscriptionChange | None:
    """What was noted of the contact: its opt-out, where that has not arrived."""
    change: SubscriptionChange | None = vars(contact).get(OPT_OUT)
    return change


def held_wish(contact: Contact) -> str:
    """The wish that is not let through, why, and since when; blank if there is none."""
    if HELD_WISH not in vars(contact):
        note_consent([contact])
    return str(vars(contact)[HELD_WISH])


def _in_words(wish: SubscriptionChange) -> str:
    what = (
        _("wish to subscribe")
        if wish.status == Subscription.SUBSCRIBED
        else _("wish for “%s”") % wish.get_status_display()
    )
    words = (
        _("%(what)s is held: %(why)s, since %(when)s")
        if wish.sync_status == Status.FAILED
        else _("%(what)s is not checked yet, since %(when)s")
    )
    when = times.exact(wish.created_at)
    return words % {"what": what, "why": badges.reason(wish).removesuffix("."), "when": when}


def consent(contact: Contact) -> SafeString | str | None:
    """The subscription that stands, and a wish that is not let through; None: nothing is said."""
    stands = contact.get_subscription_status_display() or None
    if wish := held_wish(contact):
        return cells.lines(stands or "–", badges.isolated(wish))  # noqa: RUF001  # a dash is meant
    return stands


def with_opt_out(badge: SafeString, contact: Contact) -> SafeString:
    """The badge of a contact, and a second one for an opt-out that has not arrived."""
    if (change := opt_out(contact)) is None:
        return badge
    return format_html("{} {}", badge, badges.render(badges.opt_out(change)))
