"""Companies and their snapshots."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.exceptions import ValidationError

from conversion_sync.api import UNSAID, BatchResult, CompanyRecord, RemoteCompany
from conversion_sync.api.generation import IN_USE as api
from conversion_sync.api.request import Request
from conversion_sync.models import Company
from conversion_sync.records.company_links import CompanyLinks
from conversion_sync.records.edit import Edit
from conversion_sync.records.mapper import Mapper, filled
from conversion_sync.records.snapshot import BASE_DOMAIN, Snapshot

__all__ = ["CompanyMapper"]


class CompanyMapper(Mapper):
    """A company says what its columns say."""

    model = Company
    columns = Company.COMMON

    def check(self, row: Company) -> None:
        if not row.wanted_key:
            raise ValidationError("The external id is blank.")

    def of_row(self, row: Company) -> Snapshot:
        variables = filled(row.custom_variables)
        variables |= filled({name: getattr(row, name) for name in Company.COMMON})
        return Snapshot(row.wanted_key, variables, base_domain=row.base_domain or UNSAID)

    def of_remote(self, remote: RemoteCompany) -> Snapshot:
        domain = remote.base_domain or UNSAID
        return Snapshot(remote.id, filled(remote.variables), base_domain=domain)

    def record(self, snapshot: Snapshot) -> CompanyRecord:
        return CompanyRecord(snapshot.key, snapshot.base_domain, snapshot.variables)

    def upsert(self, snapshots: Sequence[Snapshot]) -> Request[BatchResult]:
        return api.upsert_companies([self.record(snapshot) for snapshot in snapshots])

    def get(self, key: str) -> Request[RemoteCompany]:
        return api.get_company(key)

    def delete(self, key: str) -> Request[None]:
        return api.delete_company(key)

    def fill(self, edit: Edit, snapshot: Snapshot, companies: CompanyLinks | None = None) -> None:
        if snapshot.base_domain is not UNSAID:
            self._fill_column(edit, BASE_DOMAIN, snapshot.base_domain)
        self._fill_variables(edit, snapshot.variables)
