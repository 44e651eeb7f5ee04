"""Files of contacts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

from django.core.exceptions import ValidationError

from conversion_sync.api.keys import normal_email, normal_id
from conversion_sync.importing.cells import read_cell
from conversion_sync.importing.drafts import Draft
from conversion_sync.importing.headers import CONTACTS, OPT_OUT
from conversion_sync.importing.source import Line
from conversion_sync.importing.tables.columns import Columns, Reference
from conversion_sync.importing.tables.known import Known
from conversion_sync.importing.tables.table import Table
from conversion_sync.models import Company, Contact, Subscription
from conversion_sync.models.validators import name_clash
from conversion_sync.records.upsert import opted_out

__all__ = ["Contacts"]


class Contacts(Table):
    """Contacts, by their email."""

    model = Contact
    key = "email"
    required = ("email",)
    fields = (
        "email",
        *(name for name in Contact.COMMON if name != "company_name"),
        "external_contact",
        "subscription_status",
    )
    titles = CONTACTS
    # A contact's company name is that of its company, which it may name.
    others = (OPT_OUT, "company_name")
    references: ClassVar[Mapping[str, Reference]] = {
        "company_id": Reference("company", Company, normal_id)
    }
    bag = "custom_variables"

    def normal(self, text: str) -> str:
        return normal_email(text)

    def look_up(self, using: str, lines: Sequence[Line], columns: Columns) -> Known:
        known = super().look_up(using, lines, columns)
        if title := columns.known.get("subscription_status"):
            keys = [self.key_of(line, columns) for line in lines if line.cells[title]]
            pks = {key: row.pk for key, row in known.rows.items()}
            known.opted_out = opted_out(using, [(pks.get(key), key) for key in keys])
        if title := columns.known.get("company_name"):
            known.companies = _by_name(using, {line.cells[title] for line in lines} - {""})
        return known

    def _fill_cell(
        self, draft: Draft, name: str, text: str, known: Known, clear_blanks: bool
    ) -> None:
        if name == "subscription_status":
            if text or draft.key in known.opting_out:
                self._fill_subscription(draft, text, known)
        elif name == "company_name":
            if company := known.companies.get(text):
                draft.assign("company", company)
            else:
                draft.unknown_company = text
        else:
            super()._fill_cell(draft, name, text, known, clear_blanks)

    def _fill_subscription(self, draft: Draft, text: str, known: Known) -> None:
        """Take the status over, unless that would lift an opt-out. A blank one says nothing."""
        column, opts_out = (
            Contact._meta.get_field("subscription_status"),
            draft.key in known.opting_out,
        )
        status = read_cell(column, text) if text else Subscription.UNSUBSCRIBED.value
        draft.subscribe(status, opted_out=draft.key in known.opted_out, opts_out=opts_out)

    def _clash(self, bag: dict[str, Any]) -> ValidationError | None:
        return name_clash(bag, Contact.COMMON)


def _by_name(using: str, names: Collection[str]) -> dict[str, int]:
    """The companies of these names, without those that share theirs with another."""
    rows = Company.unmarked.using(using).filter(company_name__in=names)
    found = list(rows.values_list("company_name", "pk"))
    counts = Counter(name for name, _pk in found)
    return {name: pk for name, pk in found if counts[name] == 1}
