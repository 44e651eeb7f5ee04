"""Engagements; what may have arrived is not sent again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from conversion_sync.api import ConversionError, EngagementRecord, EngagementResult
from conversion_sync.api.generation import IN_USE as api
from conversion_sync.api.request import Request
from conversion_sync.models import Engagement, Status
from conversion_sync.sync import consent
from conversion_sync.sync.kinds.base import with_only
from conversion_sync.sync.kinds.singles import Singles
from conversion_sync.sync.outcomes import Decision, Operation, Outcome
from conversion_sync.sync.payloads import engagement_payload
from conversion_sync.sync.settle import expire_engagements
from conversion_sync.sync.types import Condition, Rows

__all__ = ["Engagements"]


class Engagements(Singles):
    """``POST /contacts/engagements``."""

    name = "engagement"
    plural = "engagements"
    label = _("engagements")
    model = Engagement
    operation = Operation.ENGAGEMENT

    def rows(self, using: str) -> Rows:
        return with_only(self.table(using).filter(claim__isnull=True), "contact__key")

    def obsolete(self, using: str) -> Condition:
        return Q(sync_status=Status.SENDING, claim__isnull=False)

    def clear(self, using: str, pks: Sequence[int]) -> None:
        expire_engagements(using)

    def payload(self, row: Engagement) -> EngagementRecord:
        return engagement_payload(row)

    def request(self, row: Engagement, item: EngagementRecord) -> Request[EngagementResult]:
        return api.track_engagement(item)

    def outcome(self, row: Any, error: ConversionError, *, counts: bool) -> Outcome:
        made = super().outcome(row, error, counts=counts)
        if made.decision is Decision.PUSH_CONTACT:
            pushed = consent.push_again(row.contact, row.contact.key)
            return made if pushed else consent.held_up(made)
        return made
