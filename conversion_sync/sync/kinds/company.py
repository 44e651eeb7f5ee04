"""Companies."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from conversion_sync.models import Company
from conversion_sync.sync.kinds.record import Records

__all__ = ["Companies"]


class Companies(Records):
    """``POST /companies/batch``."""

    name = "company"
    plural = "companies"
    label = _("companies")
    model = Company
