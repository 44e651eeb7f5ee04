"""The command: measure on each database that answers, print a table, write JSON.

    python -m benchmarks [--quick | --full] [--counts-only] [--only saves,ceiling]
        [--on PostgreSQL] [--markdown | --into docs/performance.md] [--read build/bench.json]

Exit status 1 where a figure misses its target by more than a tenth.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import table
from benchmarks.databases import NAMES, address, answers
from benchmarks.families import FAMILIES, Family
from benchmarks.figure import Figure, Verdict, exit_status

BASE_DIR = Path(__file__).resolve().parent.parent

#: In a page, the lines between which the table stands.
BEGIN, END = "<!-- the table of make bench -->", "<!-- its end -->"


def main() -> int:
    """Measure, and return the exit status."""
    options = _options()
    if options.read:
        _publish(table.from_json(options.read.read_text(encoding="utf-8")), options)
        return 0
    began, figures = time.time(), []
    print(f"{_machine()}; a {_size(options)} run\n\n{table.head()}")
    for figure in _measured(options):
        figures.append(figure)
        print(table.line(figure), flush=True)
    about = {
        "machine": _machine(),
        "began": time.strftime("%Y-%m-%d %H:%M", time.localtime(began)),
        "seconds": round(time.time() - began),
        "size": _size(options),
        "counts_only": options.counts_only,
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(table.as_json(figures, about) + "\n", encoding="utf-8")
    if options.markdown or options.into:
        _publish(figures, options)
    return _closing(figures, options, about["seconds"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a minute, with small sizes")
    size.add_argument("--full", action="store_true", help="the real sizes: an hour or two")
    parser.add_argument(
        "--counts-only",
        action="store_true",
        help="statements, calls and memory, and no times: right on a busy machine, too",
    )
    families = [family.name for family in FAMILIES]
    parser.add_argument("--only", type=_listed(families), help=f"of {', '.join(families)}")
    parser.add_argument("--on", type=_listed(NAMES), default=[*NAMES], help="databases")
    parser.add_argument("--markdown", action="store_true", help="print a table for a page, too")
    parser.add_argument(
        "--into", type=Path, help="put that table into this page, between its two marks"
    )
    parser.add_argument("--json", type=Path, default=BASE_DIR / "build" / "bench.json")
    parser.add_argument("--read", type=Path, help="measure nothing; take what such a file says")
    return parser.parse_args()


def _publish(figures: list[Figure], options: argparse.Namespace) -> None:
    """Print the table for a page, or put it there."""
    if not options.into:
        print(f"\n{table.markdown(figures)}")
        return
    before, _, rest = options.into.read_text(encoding="utf-8").partition(f"{BEGIN}\n")
    _, end, after = rest.partition(END)
    if not end:
        sys.exit(f"{options.into} has no lines {BEGIN} and {END}.")
    page = f"{before}{BEGIN}\n\n{table.markdown(figures)}\n\n{END}{after}"
    options.into.write_text(page, encoding="utf-8")


def _listed(names: Any) -> Any:
    def read(text: str) -> list[str]:
        chosen = [part.strip() for part in text.split(",") if part.strip()]
        if strangers := set(chosen) - set(names):
            raise argparse.ArgumentTypeError(f"not known: {', '.join(sorted(strangers))}")
        return chosen

    return read


def _size(options: argparse.Namespace) -> str:
    return "quick" if options.quick else "full" if options.full else "usual"


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def _chosen(database: str, kind: str, options: argparse.Namespace) -> list[str]:
    """The families of which this database is to have ``counts`` or ``times`` measured."""
    return [
        family.name
        for family in FAMILIES
        if database in _databases(family, kind, options)
        and (family.name in options.only if options.only else not family.is_asked_for)
    ]


def _databases(family: Family, kind: str, options: argparse.Namespace) -> tuple[str, ...]:
    if kind == "counts":
        return family.counted_on
    return family.quickly_on if options.quick else family.timed_on


def _measured(options: argparse.Namespace) -> Iterator[Figure]:
    """What is counted on all databases at once, then what is timed on one after the other."""
    for run in [_Run(database, "counts", options) for database in options.on]:
        yield from run.figures()
    if not options.counts_only:
        for database in options.on:
            yield from _Run(database, "times", options).figures()


class _Run:
    """What is measured on one database, in a process of its own that begins at once."""

    def __init__(self, database: str, kind: str, options: argparse.Namespace) -> None:
        self._database, self._process = database, None
        self._names = _chosen(database, kind, options)
        if self._names and answers(database):
            command = ["-m", "benchmarks.inside", database, _size(options), kind, *self._names]
            self._process = subprocess.Popen(
                [sys.executable, *command],
                cwd=BASE_DIR,
                env=_environment(database),
                text=True,
                stdout=subprocess.PIPE,
            )

    def figures(self) -> Iterator[Figure]:
        """The figures, as soon as they are there."""
        if self._process is None:
            for name in self._names:
                note = "no server answers there"
                yield Figure(name, None, note=note, database=self._database)
            return
        with self._process as process:
            assert process.stdout
            for line in process.stdout:
                yield Figure(**json.loads(line))
        if process.returncode:
            note = f"the process ended with status {process.returncode}"
            yield Figure("all of it", None, note=note, is_broken=True, database=self._database)


def _environment(database: str) -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL")}
    environment |= {"DJANGO_SETTINGS_MODULE": "benchmarks.settings", "NO_PROXY": "*"}
    if server := address(database):
        environment["DATABASE_URL"] = f"{server.rpartition('/')[0]}/conversion_bench_{os.getpid()}"
    return environment


def _closing(figures: list[Figure], options: argparse.Namespace, seconds: int) -> int:
    """Say what was not measured, and what misses its target; returns the exit status."""
    print(f"\n{len(figures)} figures in {seconds} s; {options.json}")
    if options.quick and not options.only and not options.counts_only:
        left_out = [
            f"{family.name} on {database}"
            for family in FAMILIES
            for database in options.on
            if database in {*family.timed_on} - {*family.quickly_on} and not family.is_asked_for
        ]
        print(f"Not timed in a quick run: {', '.join(left_out)}.")
    for verdict in (Verdict.ABSENT, Verdict.BROKEN, Verdict.MISSED):
        for figure in figures:
            if figure.verdict is verdict:
                print(f"{verdict}: {figure.name} ({figure.database}) {figure.note}")
    return exit_status(figures, counts_only=options.counts_only)


if __name__ == "__main__":
    sys.exit(main())
