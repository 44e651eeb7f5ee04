"""CSV files of companies, contacts and engagements, brought into the rows, and out of them.

importer = Importer("contacts", file)
for outcome in importer.outcomes(): ...

for text in export("contacts", Contact.objects.all()): ...
"""

from conversion_sync.importing.drafts import Change, Problem
from conversion_sync.importing.exporter import export
from conversion_sync.importing.importer import Importer, Outcome, Report, Result
from conversion_sync.importing.source import UnusableFile
from conversion_sync.importing.tables import TABLES

__all__ = [
    "TABLES",
    "Change",
    "Importer",
    "Outcome",
    "Problem",
    "Report",
    "Result",
    "UnusableFile",
    "export",
]
