"""Files of companies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.exceptions import ValidationError

from conversion_sync.api.keys import normal_id
from conversion_sync.importing.headers import COMPANIES
from conversion_sync.importing.tables.table import Table
from conversion_sync.models import Company
from conversion_sync.models.validators import name_clash

__all__ = ["Companies"]


class Companies(Table):
    """Companies, by the site's own id."""

    model = Company
    key = "external_id"
    required = ("external_id",)
    fields = ("external_id", "base_domain", *Company.COMMON)
    aliases: ClassVar[Mapping[str, str]] = {"id": "external_id"}
    titles = COMPANIES
    bag = "custom_variables"

    def normal(self, text: str) -> str:
        return normal_id(text)

    def _clash(self, bag: dict[str, Any]) -> ValidationError | None:
        return name_clash(bag, Company.COMMON)
