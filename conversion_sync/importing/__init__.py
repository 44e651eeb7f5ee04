"""CSV files of companies, contacts and engagements, brought into the rows.

importer = Importer("contacts", file)
for outcome in importer.outcomes(): ...
"""

from conversion_sync.importing.importer import Importer, Outcome, Report, Result
from conversion_sync.importing.source import UnusableFile
from conversion_sync.importing.tables import TABLES

__all__ = ["TABLES", "Importer", "Outcome", "Report", "Result", "UnusableFile"]
