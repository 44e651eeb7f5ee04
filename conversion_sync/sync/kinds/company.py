"""Companies."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _

from conversion_sync.api import BatchResult, CompanyRecord
from conversion_sync.api.generation import IN_USE as api
from conversion_sync.api.request import Request
from conversion_sync.models import Company
from conversion_sync.sync.kinds.record import Records

__all__ = ["Companies"]


class Companies(Records):
    """``POST /companies/batch``."""

    name = "company"
    plural = "companies"
    label = _("companies")
    model = Company

    def upsert(self, records: Sequence[CompanyRecord]) -> Request[BatchResult]:
        return api.upsert_companies(records)
