"""What Salesforce writes below the lines of a report."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from conversion_sync.importing.files.records import FileRecord

__all__ = ["without_footer"]

_SIGN = re.compile(r"Copyright \(c\) \d{4}-\d{4} salesforce\.com", re.IGNORECASE)

#: The footer has a name of the report above this line, and a few lines below it.
ABOVE = 2


def without_footer(records: Iterable[FileRecord]) -> Iterator[FileRecord]:
    """The records up to the footer: its lines have one cell, and one of them tells whose it is."""
    held = list[FileRecord]()
    for record in records:
        if not _is_alone(record):
            yield from held
            held = []
            yield record
            continue
        held.append(record)
        if _SIGN.match(record.cells[0]):
            return
        if len(held) > ABOVE:
            yield held.pop(0)
    yield from held


def _is_alone(record: FileRecord) -> bool:
    return bool(record.cells and record.cells[0]) and not any(record.cells[1:])
