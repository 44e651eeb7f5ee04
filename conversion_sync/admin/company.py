"""Companies in the admin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from conversion_sync.admin import search
from conversion_sync.admin.attentive import AttentiveForm
from conversion_sync.admin.base import variables_table
from conversion_sync.admin.comparing import ComparedAdmin
from conversion_sync.admin.filters import ErrorFilter, RecordStatusFilter
from conversion_sync.admin.waiting import note_deletions
from conversion_sync.conf import conf
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
class CompanyAdmin(ComparedAdmin):
    """Companies, and whether Conversion knows of them."""

    form = AttentiveForm
    list_display = (
        "__str__",
        "sync_state",
        "external_id",
        "base_domain",
        "industry",
        "error",
        "synced_at",
    )
    list_filter = (RecordStatusFilter, ErrorFilter, "updated_at")
    search_help_text = _("By the beginning of the name or the external id.")
    edit_fieldsets = (
        (None, {"fields": COMPANY}),
        (_("Variables"), {"fields": ("custom_variables",)}),
    )
    view_fieldsets = (
        (None, {"fields": COMPANY}),
        (_("Variables"), {"fields": ("variables",)}),
    )

    @admin.display(description=_("custom variables"))
    def variables(self, company: Company) -> str:
        """The custom variables, for reading."""
        return variables_table(company.custom_variables)

    def matches(self, term: str) -> Q:
        return search.company(term)

    def prepare(self, rows: Sequence[Company]) -> None:
        note_deletions(rows, Deletion.Kind.COMPANY)

    def what_goes_with(self, rows: Sequence[Company]) -> Iterable[tuple[Any, int]]:
        people = Contact.objects.filter(company__in=[row.pk for row in rows])
        yield _("Contacts that stay, without a company"), people.count()
        if conf.delete_remote:
            yield _("Companies deleted in Conversion, too"), sum(bool(row.sent_key) for row in rows)
