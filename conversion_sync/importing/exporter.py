"""From rows to a CSV file that the importer takes back without changing anything."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.db.models import QuerySet

from conversion_sync.importing.cells import protected
from conversion_sync.importing.tables import TABLES

__all__ = ["export"]

CHUNK = 1000

#: Without it, spreadsheets do not take the file for UTF-8.
BYTE_ORDER_MARK = "\ufeff"


def export(kind: str, rows: QuerySet[Any]) -> Iterator[str]:
    """The text of a file with these rows, some hundreds at a time.

    Args:
        kind: a name of ``TABLES``, whose rows they are.
    """
    paths = TABLES[kind].paths()
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    buffer.write(BYTE_ORDER_MARK)
    writer.writerow(paths)
    lines = rows.values_list(*paths.values()).iterator(chunk_size=CHUNK)
    while chunk := list(islice(lines, CHUNK)):
        writer.writerows([protected(_text(value)) for value in line] for line in chunk)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _text(value: Any) -> str:
    if value is None or value == {}:
        return ""
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
