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
from conversion_sync.importing.columns import WISH
from conversion_sync.importing.tables import TABLES
from conversion_sync.models import Contact, SubscriptionChange
from conversion_sync.models.consent import consents
from conversion_sync.status.messages import in_words

__all__ = ["export"]

LINES_AT_ONCE = 1000

#: Without it, spreadsheets do not take the file for UTF-8.
BYTE_ORDER_MARK = "\ufeff"


def export(kind: str, rows: QuerySet[Any]) -> Iterator[str]:
    """The text of a file with these rows, some hundreds at a time.

    Args:
        kind: a name of ``TABLES``, whose rows they are. Contacts have one column more, which is for
            people: the wish that is not let through.
    """
    paths = TABLES[kind].paths()
    has_wishes = TABLES[kind].model is Contact
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    buffer.write(BYTE_ORDER_MARK)
    writer.writerow([*paths, WISH] if has_wishes else paths)
    people = ("pk", "key") if has_wishes else ()
    lines = rows.values_list(*paths.values(), *people).iterator(chunk_size=LINES_AT_ONCE)
    while chunk := list(islice(lines, LINES_AT_ONCE)):
        cells = [[protected(_text(value)) for value in line[: len(paths)]] for line in chunk]
        if has_wishes:
            said = list(paths).index("subscription_status")
            some = [(pk, key) for *values, pk, key in chunk if values[said]]
            held = dict(zip(some, consents(rows.db, some), strict=True))
            for line, (*_values, pk, key) in zip(cells, chunk, strict=True):
                wish = held[pk, key].wish if (pk, key) in held else None
                line.append("" if wish is None else protected(_in_words(wish)))
        writer.writerows(cells)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _in_words(wish: SubscriptionChange) -> str:
    """A wish, since when it is held, and why."""
    since = f"{wish.status} {wish.created_at.isoformat(timespec='seconds')}"
    return f"{since} {in_words(wish.last_error_message)}".rstrip()


def _text(value: Any) -> str:
    if value is None or value == {}:
        return ""
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
