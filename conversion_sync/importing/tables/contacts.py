"""Files of contacts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from conversion_sync.api import UNSAID
from conversion_sync.api.keys import normal_email, normal_id
from conversion_sync.importing.headers import CONTACTS, OPT_OUT
from conversion_sync.importing.source import Line
from conversion_sync.importing.tables.columns import Columns, Reference
from conversion_sync.importing.tables.known import KnownOfLines
from conversion_sync.importing.tables.records import RecordTable
from conversion_sync.importing.values import Values
from conversion_sync.models import Company, Contact
from conversion_sync.models.subscription import OUT
from conversion_sync.records.company_links import EXTERNAL_ID, NAME, CompanyLinks
from conversion_sync.records.known import opted_out
from conversion_sync.records.snapshot import Snapshot
from conversion_sync.records.wanted import Wanted

__all__ = ["Contacts"]


class Contacts(RecordTable):
    """Contacts, by their email."""

    model = Contact
    key = "email"
    required = ("email",)
    common = Contact.COMMON
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
    # A blank subscription says nothing, and nobody leaves a company for a blank name.
    never_cleared = frozenset({"subscription_status", "company_name"})

    def normal(self, text: str) -> str:
        return normal_email(text)

    def look_up(self, using: str, lines: Sequence[Line], columns: Columns) -> KnownOfLines:
        known = super().look_up(using, lines, columns)
        if title := columns.known.get("subscription_status"):
            keys = [self.key_of(line, columns) for line in lines if line.cells[title]]
            pks = {key: row.pk for key, row in known.rows.items()}
            known.opted_out = opted_out(using, [(pks.get(key), key) for key in keys])
        named = None
        if title := columns.known.get("company_name"):
            named = _by_name(using, {line.cells[title] for line in lines} - {""})
        known.companies = CompanyLinks(known.references, named)
        return known

    def snapshot(self, values: Values, known: KnownOfLines) -> Snapshot:
        columns, company = values.columns, dict[str, Any]()
        if "company_id" in columns:
            company[EXTERNAL_ID] = columns["company_id"]
        if "company_name" in columns:
            company[NAME] = columns["company_name"]
        reference = columns.get("external_contact", UNSAID)
        variables = self._variables(values, known)
        return Snapshot(values.key, variables, company, reference=reference)

    def wanted(self, values: Values, known: KnownOfLines) -> Wanted:
        """As of any record, and its subscription; that it opts out holds, whatever else is said."""
        opts_out = values.key in known.opting_out
        status = values.columns.get("subscription_status", OUT if opts_out else "")
        wanted = super().wanted(values, known)
        return replace(wanted, subscription=status, opts_out=opts_out) if status else wanted

    def _read_cell(self, name: str, text: str, known: KnownOfLines) -> Any:
        return text if name == "company_name" else super()._read_cell(name, text, known)


def _by_name(using: str, names: Collection[str]) -> dict[str, int]:
    """The companies of these names, without those that share theirs with another."""
    rows = Company.unmarked.using(using).filter(company_name__in=names)
    found = list(rows.values_list("company_name", "pk"))
    counts = Counter(name for name, _pk in found)
    return {name: pk for name, pk in found if counts[name] == 1}
