"""Companies."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from conversion_sync.api import BatchResult
from conversion_sync.api.generation import IN_USE as api
from conversion_sync.api.request import Request
from conversion_sync.models import Company
from conversion_sync.sync import clashes, payloads
from conversion_sync.sync.kinds.base import Condition, Rows
from conversion_sync.sync.kinds.batches import Batches
from conversion_sync.sync.outcomes import Operation
from conversion_sync.sync.payloads import Payload

__all__ = ["Companies"]

#: It is not sent: another row has its key, or nobody gave it one.
_KEYLESS = Q(key__isnull=True)


class Companies(Batches):
    """``POST /companies/batch``."""

    name = "company"
    plural = "companies"
    label = _("companies")
    model = Company
    operation = Operation.UPSERT

    def rows(self, using: str) -> Rows:
        return self.table(using).exclude(_KEYLESS)

    def obsolete(self, using: str) -> Condition:
        return _KEYLESS

    def clear(self, using: str, pks: Sequence[int]) -> None:
        clashes.look_again(self.model, using, pks)

    def payload(self, row: Company) -> Payload:
        return payloads.company_payload(row)

    def request(self, items: Sequence[Payload]) -> Request[BatchResult]:
        return api.upsert_companies([payloads.company_record(item) for item in items])

    def key(self, item: Payload) -> str:
        return str(item["id"])
