"""All kinds of files."""

from __future__ import annotations

from collections.abc import Mapping

from conversion_sync.importing.tables.companies import Companies
from conversion_sync.importing.tables.contacts import Contacts
from conversion_sync.importing.tables.engagements import Engagements
from conversion_sync.importing.tables.table import Table
from conversion_sync.sync.kinds import KINDS

__all__ = ["TABLES"]

_PLURALS = {kind.model: kind.plural for kind in KINDS}

#: By what commands call their rows.
TABLES: Mapping[str, Table] = {
    _PLURALS[table.model]: table for table in (Companies(), Contacts(), Engagements())
}
