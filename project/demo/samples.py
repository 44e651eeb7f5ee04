"""The sample data: each line is brought in once, so that what one edits or deletes stays so.

Which lines were brought in is kept in the database itself, in the transaction that brings them in.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.core.management import CommandError, call_command
from django.db import connection, transaction

from conversion_sync.api.keys import normal_email, normal_id
from conversion_sync.models import Company, Contact, Engagement
from project.demo.folder import Folder
from project.demo.words import Failed, say, step

__all__ = ["import_samples"]


@dataclass(frozen=True)
class Kind:
    """A kind of rows: its file, the column that a line is known by, and the keys that exist."""

    name: str
    column: str
    normal: Callable[[str], str]
    present: Callable[[], Iterable[str]]


KINDS = (
    Kind(
        "companies",
        "id",
        normal_id,
        lambda: Company.objects.values_list("external_id", flat=True),
    ),
    Kind(
        "contacts",
        "email",
        normal_email,
        lambda: Contact.objects.values_list("email", flat=True),
    ),
    Kind(
        "engagements",
        "source_key",
        str.strip,
        lambda: Engagement.objects.exclude(source_key=None).values_list("source_key", flat=True),
    ),
)


def import_samples(samples: Path, folder: Folder) -> None:
    """Import those lines that were never imported.

    Raises:
        Failed: a file can't be imported.
        KeyboardInterrupt: somebody stops it; of the kind at hand nothing went in.
    """
    is_new = _create_table()
    new = 0
    for kind in KINDS:
        path = samples / f"{kind.name}.csv"
        try:
            with path.open(encoding="utf-8", newline="") as file:
                lines = list(csv.reader(file))
        except OSError as error:
            raise Failed(f"The sample data can't be read: {path}: {error.strerror}.") from error
        with transaction.atomic():
            if is_new:
                _adopt(kind, lines)
            new += _import(kind, lines, folder)
    if not new:
        say("The sample data was imported before: what you edited or deleted stays as you left it.")


def _create_table() -> bool:
    """Make the table of what was imported; return whether it is new."""
    with connection.cursor() as cursor:
        if "demo_sample" in connection.introspection.table_names(cursor):
            return False
        cursor.execute("CREATE TABLE demo_sample (kind text, key text, PRIMARY KEY (kind, key))")
    return True


def _adopt(kind: Kind, lines: Sequence[Sequence[str]]) -> None:
    """Take for imported what an older release imported: in the order of the file.

    So a line that is not in the database, but before one that is, was deleted.
    """
    present = {kind.normal(key) for key in kind.present()}
    keys = _keys(kind, lines)
    last = max((n for n, key in enumerate(keys) if key in present), default=-1)
    _remember(kind, keys[: last + 1])


def _import(kind: Kind, lines: Sequence[Sequence[str]], folder: Folder) -> int:
    """Import the lines that are new; return how many they are."""
    keys = _keys(kind, lines)
    with connection.cursor() as cursor:
        cursor.execute("SELECT key FROM demo_sample WHERE kind = %s", [kind.name])
        known = {key for (key,) in cursor.fetchall()}
    new = [line for key, line in zip(keys, lines[1:], strict=True) if key not in known]
    if not new:
        return 0
    step(f"Import {kind.name}")
    part = folder.path / f"{kind.name}.csv"
    with part.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([lines[0], *new])
    try:
        call_command("conversion_import", kind.name, str(part))
    except CommandError as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise Failed(f"The import of the {kind.name} failed: {error}") from error
    finally:
        part.unlink()
    _remember(kind, set(keys) - known)
    return len(new)


def _keys(kind: Kind, lines: Sequence[Sequence[str]]) -> list[str]:
    column = lines[0].index(kind.column)
    return [kind.normal(line[column]) for line in lines[1:]]


def _remember(kind: Kind, keys: Iterable[str]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT OR IGNORE INTO demo_sample (kind, key) VALUES (%s, %s)",
            [(kind.name, key) for key in keys],
        )
