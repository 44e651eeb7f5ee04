"""Companies."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from conversion_sync.models import Company, Contact
from conversion_sync.sync.kinds.record import Records

__all__ = ["Companies"]


class Companies(Records):
    """``POST /companies/batch``."""

    name = "company"
    plural = "companies"
    label = _("companies")
    model = Company

    def hand_over(self, using: str, holder: Any, other: Any) -> set[str]:
        Contact.objects.using(using).filter(company=other).update(company=holder)
        return set()
