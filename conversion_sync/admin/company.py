"""Companies in the admin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from conversion_sync.admin import actions, search
from conversion_sync.admin.base import variables_table
from conversion_sync.admin.comparing import ComparedAdmin
from conversion_sync.admin.deleting import Consequence, DeletableAdmin, Few, in_conversion
from conversion_sync.admin.filters import ErrorFilter, RecordStatusFilter
from conversion_sync.admin.portable import PortableAdmin
from conversion_sync.admin.record_form import RecordForm
from conversion_sync.admin.waiting import note_deletions
from conversion_sync.models import Company, Contact, Deletion

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
class CompanyAdmin(PortableAdmin, ComparedAdmin, DeletableAdmin):
    """Companies, and whether Conversion knows of them."""

    actions = (*ComparedAdmin.actions, actions.compare)
    form = RecordForm
    list_display = (
        "name",
        "sync_state",
        "external_id",
        "base_domain",
        "industry",
        "error",
        "synced_at",
    )
    list_filter = (RecordStatusFilter, ErrorFilter, "updated_at")
    search_help_text = _("By the beginning of the name or the external id.")
    sortable_by = ("name", "external_id")
    edit_fieldsets = (
        (None, {"fields": (*COMPANY[:2], "confirmed_key", *COMPANY[2:])}),
        (_("Variables"), {"fields": ("custom_variables",)}),
    )
    view_fieldsets = (
        (None, {"fields": COMPANY}),
        (_("Variables"), {"fields": ("variables",)}),
    )

    @admin.display(description=_("name"), ordering="company_name")
    def name(self, company: Company) -> str:
        """The name, or the id where there is none."""
        return str(company)

    @admin.display(description=_("custom variables"))
    def variables(self, company: Company) -> str:
        """The custom variables, for reading."""
        return variables_table(company.custom_variables)

    def matches(self, term: str) -> Q:
        return search.company(term)

    def prepare(self, rows: Sequence[Company]) -> None:
        note_deletions(rows, Deletion.Kind.COMPANY)

    def consequences(self, rows: QuerySet[Company]) -> Iterator[Consequence]:
        people = Few.of(Contact.objects.filter(company__in=rows))
        if people.count:
            words = ngettext(
                "%d contact loses its company, and is pushed again without the name:",
                "%d contacts lose their company, and are pushed again without the name:",
                people.count,
            )
            yield Consequence(words % people.count, people)
        yield from in_conversion(rows)
