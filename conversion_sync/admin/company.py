"""Companies in the admin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from conversion_sync.admin.lists import cells, search
from conversion_sync.admin.pages.delete import Consequence
from conversion_sync.admin.pages.people import people
from conversion_sync.admin.record import RecordAdmin
from conversion_sync.models import Company, Contact
from conversion_sync.status.numbers import grouped

__all__ = ["CompanyAdmin"]

COMPANY = (
    "company_name",
    "external_id",
    "base_domain",
    "website",
    "industry",
    "size",
    "annual_revenue",
    "location",
)


@admin.register(Company)
class CompanyAdmin(RecordAdmin):
    """Companies, and whether Conversion knows of them."""

    actions = (*RecordAdmin.actions, "export_selected")
    change_form_template = "admin/conversion_sync/company_change_form.html"
    list_display = ("name", "shown_id", "sync_state")
    list_filter = (*RecordAdmin.list_filter, "updated_at")
    sortable_by = ("name", "shown_id")
    edit_fieldsets = (
        (None, {"fields": (*COMPANY[:2], "confirmed_key", *COMPANY[2:])}),
        (_("Variables"), {"fields": ("custom_variables",)}),
    )
    view_fieldsets = (
        (None, {"fields": COMPANY}),
        (_("Variables"), {"fields": ("variables",)}),
    )

    @admin.display(description=_("name"), ordering="company_name")
    def name(self, company: Company) -> SafeString:
        """The name, or the id where there is none; the domain and the industry."""
        return cells.lines(
            cells.text(str(company)), cells.key(company.base_domain), cells.text(company.industry)
        )

    @admin.display(description=_("external id"), ordering="key")
    def shown_id(self, company: Company) -> SafeString | str:
        """The external id."""
        return cells.key(company.external_id)

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return super().page_context(request, row) | people(self, request, row)

    def search_condition(self, term: str) -> Q:
        return search.company(term)

    def search_in_words(self) -> str:
        return search.company_in_words()

    def consequences(self, rows: QuerySet[Company]) -> Iterator[Consequence]:
        people = Contact.objects.filter(company__in=rows)
        if number := people.count():
            words = ngettext(
                "%s contact loses its company, and is pushed again without the name:",
                "%s contacts lose their company, and are pushed again without the name:",
                number,
            )
            yield words % grouped(number), people
        yield from super().consequences(rows)
