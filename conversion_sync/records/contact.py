"""Contacts and their snapshots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from conversion_sync.api import UNSAID, BatchResult, ContactRecord, ErrorCode, RemoteContact
from conversion_sync.api.generation import IN_USE as api
from conversion_sync.api.request import Request
from conversion_sync.models import Contact
from conversion_sync.models.storable import REPLACEMENT
from conversion_sync.models.validators import validate_address
from conversion_sync.records.company_links import EXTERNAL_ID, NAME, CompanyLinks
from conversion_sync.records.edit import Edit
from conversion_sync.records.last_sent import last_sent
from conversion_sync.records.mapper import Mapper, filled
from conversion_sync.records.snapshot import REFERENCE, Snapshot

__all__ = ["ContactMapper"]


class ContactMapper(Mapper):
    """A contact says what its columns say, and the name of its company.

    A variable named as one of the columns counts where the column is blank.
    """

    model = Contact
    columns = tuple(name for name in Contact.COMMON if name != NAME)
    not_its_own = frozenset({NAME})

    def check(self, row: Contact) -> None:
        validate_address(row.wanted_key)

    def of_row(self, row: Contact) -> Snapshot:
        variables = filled(row.custom_variables)
        variables |= filled({name: getattr(row, name) for name in self.columns})
        return _with_company(row.wanted_key, variables, _company_name(row), row.external_contact)

    def of_remote(self, remote: RemoteContact) -> Snapshot:
        variables = filled(remote.variables)
        key = Contact.normal_key(remote.email)
        return _with_company(key, variables, "", remote.external_contact)

    def record(self, snapshot: Snapshot) -> ContactRecord:
        return ContactRecord(snapshot.key, snapshot.variables, snapshot.reference, snapshot.company)

    def upsert(self, snapshots: Sequence[Snapshot]) -> Request[BatchResult]:
        return api.upsert_contacts([self.record(snapshot) for snapshot in snapshots])

    def get(self, key: str) -> Request[RemoteContact]:
        return api.get_contact(key)

    def delete(self, key: str) -> Request[None]:
        return api.delete_contact(key)

    def fill(self, edit: Edit, snapshot: Snapshot, companies: CompanyLinks | None = None) -> None:
        """As of any record; its company is linked, and is not renamed."""
        self._link(edit, snapshot.company, companies or CompanyLinks())
        if snapshot.reference is not UNSAID:
            self._fill_column(edit, REFERENCE, snapshot.reference)
        self._fill_variables(edit, snapshot.variables)

    def _link(self, edit: Edit, company: Mapping[str, Any], companies: CompanyLinks) -> None:
        if EXTERNAL_ID in company:
            known, said = companies.by_key, company[EXTERNAL_ID]
        elif NAME in company and companies.by_name is not None:
            known, said = companies.by_name, company[NAME]
        else:
            return
        if said is None or said in known:
            edit.assign("company", None if said is None else known[said])
        else:
            edit.unknown_company = said


def _with_company(
    key: str, variables: dict[str, Any], company_name: str, reference: Any
) -> Snapshot:
    """The snapshot of a contact; what its variables say of a company is the company's."""
    custom = variables.pop(NAME, None)
    company = filled({NAME: company_name or custom})
    return Snapshot(key, variables, company, reference=reference or UNSAID)


def _company_name(contact: Contact) -> str:
    """The name of its company; the one that was sent, while something else stands in that name."""
    company = contact.company
    if company is None:
        return ""
    if REPLACEMENT in company.company_name and company.last_error_code == ErrorCode.UNSTORABLE:
        sent = last_sent(contact)
        return str(sent.company.get(NAME) or "") if sent else ""
    return company.company_name
