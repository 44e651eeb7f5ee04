"""The kinds of files: their columns, and how a line fills a row."""

from __future__ import annotations

from conversion_sync.importing.tables.columns import Columns
from conversion_sync.importing.tables.known import KnownOfLines
from conversion_sync.importing.tables.table import Table
from conversion_sync.importing.tables.tables import TABLES

__all__ = ["TABLES", "Columns", "KnownOfLines", "Table"]
