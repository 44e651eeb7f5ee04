"""``manage.py conversion_import``: companies, contacts and engagements from a CSV file."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS
from tqdm import tqdm

from conversion_sync.importing import (
    TABLES,
    Importer,
    Outcome,
    Report,
    Result,
    UnusableFile,
)

__all__ = ["Command"]


class Command(BaseCommand):
    """Prints what the importer reports."""

    help = (
        "Imports a CSV file (UTF-8, with a header). Imported again, it updates and never doubles: "
        "companies by id, contacts by email, engagements by source_key. A blank cell leaves what "
        "is there. A column that is not known becomes a custom variable. No opt-out is ever "
        "lifted. Bad lines are reported, the others go in."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=sorted(TABLES))
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would happen, and write nothing"
        )
        parser.add_argument(
            "--strict",
            action="store_true",
            help="one bad line, and nothing goes in (exit status 1)",
        )
        parser.add_argument(
            "--clear-blanks",
            action="store_true",
            help="a blank cell clears the value that is there (but never a subscription)",
        )
        parser.add_argument(
            "--requested-by", default="", metavar="NAME", help="who answers for it (consent log)"
        )
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS)

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            with path.open("rb") as file:
                report = self._import(file, options)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}.") from error
        except UnusableFile as error:
            raise CommandError(
                f"{path}, line {error.line or 1}: {error.reason}. Nothing was imported."
            ) from error
        self._print(report, options)

    def _import(self, file: Any, options: dict[str, Any]) -> Report:
        importer = Importer(
            options["kind"],
            file,
            using=options["database"],
            requested_by=options["requested_by"],
            clear_blanks=options["clear_blanks"],
            dry_run=options["dry_run"],
        )
        for notice in importer.notices:
            self.stdout.write(notice)
        with tqdm(
            total=importer.total,
            desc=options["kind"].capitalize(),
            unit=" lines",
            disable=not sys.stderr.isatty(),
        ) as bar:

            def heard(outcome: Outcome) -> None:
                bar.update(max(0, outcome.number - bar.n))
                if said := _said(outcome):
                    with tqdm.external_write_mode():
                        self.stderr.write(f"{options['file']}, line {outcome.number}: {said}")

            try:
                return importer.run(heard, strict=options["strict"])
            except KeyboardInterrupt:
                kept = "Nothing" if options["strict"] else "What was read up to there"
                raise CommandError(f"Stopped at line {bar.n}. {kept} went in.") from None
            finally:
                bar.update(max(0, importer.total - bar.n))

    def _print(self, report: Report, options: dict[str, Any]) -> None:
        counts = [f"{report.counts[result]:,} {result}" for result in list(Result)[:3]]
        for count, words in (
            (report.counts[Result.DIFFERS], "differ from what was sent"),
            (report.stay_unsubscribed, "stay unsubscribed"),
            (
                report.counts[Result.BAD],
                "bad",
            ),
        ):
            counts += [f"{count:,} {words}"] if count else []
        mode = " (dry run, nothing was written)" if options["dry_run"] else ""
        self.stdout.write(f"{options['kind'].capitalize()}{mode}: {', '.join(counts)}.")
        if report.rolled_back:
            raise CommandError("Nothing was imported, because of the bad lines (--strict).")


def _said(outcome: Outcome) -> str:
    """What a person is told of a line; "" for a line that went in as it was."""
    stays = "stays unsubscribed" if outcome.stays_unsubscribed else ""
    said = "; ".join(filter(None, (outcome.message, stays)))
    return said if said.endswith(".") or not said else f"{said}."
