"""Contacts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _

from conversion_sync.models import Contact
from conversion_sync.sync.consent import reentry
from conversion_sync.sync.consent.handed_over import hand_over
from conversion_sync.sync.kinds.base import with_only
from conversion_sync.sync.kinds.record import Records
from conversion_sync.sync.types import Rows

__all__ = ["Contacts"]


class Contacts(Records):
    """``POST /contacts/batch``."""

    name = "contact"
    plural = "contacts"
    label = _("contacts")
    model = Contact
    are_people = True

    def rows(self, using: str) -> Rows:
        return with_only(super().rows(using), "company__company_name", "company__last_error_code")

    def after_lost_workers(self, using: str, pks: Sequence[int]) -> None:
        reentry.after_lost_workers(using, pks)

    def hand_over(self, using: str, holder: Any, other: Any) -> set[str]:
        return hand_over(using, holder, other)
