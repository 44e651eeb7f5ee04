"""Files of companies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from conversion_sync.api import UNSAID
from conversion_sync.api.keys import normal_id
from conversion_sync.importing.headers import COMPANIES
from conversion_sync.importing.tables.known import KnownOfLines
from conversion_sync.importing.tables.records import RecordTable
from conversion_sync.importing.values import Values
from conversion_sync.models import Company
from conversion_sync.records.snapshot import Snapshot

__all__ = ["Companies"]


class Companies(RecordTable):
    """Companies, by the site's own id."""

    model = Company
    key = "external_id"
    required = ("external_id",)
    common = Company.COMMON
    fields = ("external_id", "base_domain", *common)
    aliases: ClassVar[Mapping[str, str]] = {"id": "external_id"}
    titles = COMPANIES

    def normal(self, text: str) -> str:
        return normal_id(text)

    def snapshot(self, values: Values, known: KnownOfLines) -> Snapshot:
        domain = values.columns.get("base_domain", UNSAID)
        return Snapshot(values.key, self._variables(values, known), base_domain=domain)
