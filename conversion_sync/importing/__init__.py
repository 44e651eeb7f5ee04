"""Files of companies, contacts and engagements, brought into the rows, and out of them.

importer = Importer("contacts", file)
for outcome in importer.outcomes(): ...

for text in export("contacts", Contact.objects.all()): ...
"""

from conversion_sync.importing.choices import SKIP
from conversion_sync.importing.errors import UnusableFile
from conversion_sync.importing.exporter import export
from conversion_sync.importing.files.encoding import ENCODINGS
from conversion_sync.importing.importer import Importer
from conversion_sync.importing.layout import Layout
from conversion_sync.importing.outcome import Outcome, Report, Result
from conversion_sync.importing.problem import Problem
from conversion_sync.importing.rejected import RejectedLines
from conversion_sync.importing.tables import TABLES
from conversion_sync.records.change import Change

__all__ = [
    "ENCODINGS",
    "SKIP",
    "TABLES",
    "Change",
    "Importer",
    "Layout",
    "Outcome",
    "Problem",
    "RejectedLines",
    "Report",
    "Result",
    "UnusableFile",
    "export",
]
