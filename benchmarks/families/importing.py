"""An import of new contacts, over ``csv`` and ``bulk_create`` of rows of a plain model."""

from __future__ import annotations

import csv
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks import rows
from benchmarks.apart import done_apart
from benchmarks.figure import Figure
from benchmarks.plain import plain_contact
from benchmarks.server import sending
from benchmarks.sizes import Sizes

AT_ONCE = 500
COLUMNS = ("email", "first_name", "last_name", "title", "phone", "plan")


def counts(sizes: Sizes) -> Iterator[Figure]:
    """The memory of imports, of a file and of one with a tenth of its lines."""
    grown = {}
    for lines in (sizes.lines // 10, sizes.lines):
        rows.empty()
        with _file(lines) as path, sending("http://127.0.0.1:1/", ENABLED=False):
            grown[lines] = done_apart("benchmarks.families.importing:bring_in", str(path)).grown
    few, many = grown
    yield Figure(
        f"memory of an import of {many:,} lines, above that of {few:,}",
        max(0.0, grown[many] - grown[few]),
        "MB",
        f"{grown[many]:.0f} and {grown[few]:.0f} MB above the start",
        20,
        is_count=True,
    )


def times(sizes: Sizes) -> Iterator[Figure]:
    """Import the file both ways, in turns."""
    ours, plain = [], []
    with (
        _file(sizes.lines) as path,
        plain_contact() as model,
        sending("http://127.0.0.1:1/", ENABLED=False),
    ):
        for _ in range(sizes.rounds):
            rows.empty()
            ours.append(_seconds(bring_in, str(path)))
            model.objects.all().delete()
            plain.append(_seconds(_bring_in_plainly, path, model))
    yield Figure(
        f"import of {sizes.lines:,} new contacts, over csv and bulk_create of plain rows",
        min(ours) / min(plain),
        "times",
        f"{min(ours):.1f} s and {min(plain):.1f} s",
        2,
    )


def bring_in(path: str) -> int:
    """Import a file as ``conversion_import`` does. Returns how many contacts there are then."""
    from conversion_sync.importing import Importer
    from conversion_sync.models import Contact

    with Path(path).open("rb") as file:
        Importer("contacts", file).run(lambda outcome: None)
    return int(Contact.unmarked.count())


def _bring_in_plainly(path: Path, model: Any) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.DictReader(file)
        while chunk := list(islice(lines, AT_ONCE)):
            model.objects.bulk_create(
                model(**line, key=line["email"], custom_variables={"plan": plan})
                for line in chunk
                if (plan := line.pop("plan"))
            )


def _seconds(act: Callable[..., Any], *args: Any) -> float:
    began = time.perf_counter()
    act(*args)
    return time.perf_counter() - began


@contextmanager
def _file(lines: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "contacts.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for n in range(lines):
                writer.writerow(
                    (
                        f"person-{n}@x.example",
                        "Ann",
                        f"Number {n}",
                        "Engineer",
                        "+1 555 0100",
                        "pro",
                    )
                )
        yield path
