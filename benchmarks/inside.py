"""Measures on one database: prints a line of JSON for each figure, as soon as it is there."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from dataclasses import asdict, replace
from importlib import import_module

from benchmarks.databases import database_of_our_own
from benchmarks.figure import Figure
from benchmarks.sizes import FULL, QUICK, USUAL, Sizes

__all__ = ["main"]


def main() -> None:
    """Measure the families that the command line names."""
    database, size, kind, *names = sys.argv[1:]
    sizes = {each.name: each for each in (QUICK, USUAL, FULL)}[size]
    import django

    django.setup()
    for name in ("conversion_sync", "django-q"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with database_of_our_own():
        for name in names:
            for figure in _measured(name, kind, sizes):
                print(json.dumps(asdict(replace(figure, database=database))), flush=True)


def _measured(name: str, kind: str, sizes: Sizes) -> Iterator[Figure]:
    module = import_module(f"benchmarks.families.{name}")
    try:
        yield from getattr(module, kind)(sizes)
    except Exception as error:  # one that fails never stops the others: the table says it
        traceback.print_exc()
        yield Figure(name, None, note=f"{type(error).__name__}: {error}"[:80], is_broken=True)


if __name__ == "__main__":
    main()
