"""All kinds of files."""

from __future__ import annotations

from collections.abc import Mapping

from conversion_sync.importing.tables.companies import Companies
from conversion_sync.importing.tables.contacts import Contacts
from conversion_sync.importing.tables.engagements import Engagements
from conversion_sync.importing.tables.table import Table

__all__ = ["TABLES"]

TABLES: Mapping[str, Table] = {
    "companies": Companies(),
    "contacts": Contacts(),
    "engagements": Engagements(),
}
