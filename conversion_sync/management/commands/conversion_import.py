"""``manage.py conversion_import``: companies, contacts and engagements from a file."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import CommandError
from tqdm import tqdm

from conversion_sync.importing import (
    SKIP,
    TABLES,
    Importer,
    Outcome,
    RejectedLines,
    Report,
    Result,
    UnusableFile,
)
from conversion_sync.management.asking import add_database
from conversion_sync.management.migrated import DatabaseCommand

__all__ = ["Command"]


class Command(DatabaseCommand):
    """Prints what the importer reports."""

    help = (
        "Imports a text file (CSV, with a header) or a spreadsheet (.xlsx, .xls, .ods). Imported "
        "again, it updates and never doubles: companies by id, contacts by email, engagements by "
        "source_key. A blank cell leaves what is there. A column that is not known becomes a "
        "custom variable. No opt-out is ever lifted. Bad lines are reported, the others go in, "
        "and so do the opt-outs of bad lines."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=sorted(TABLES))
        parser.add_argument("file", type=Path, help="a text file or a spreadsheet")
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
            "--column",
            action="append",
            default=[],
            metavar="TITLE=FIELD",
            help="read the column of this title as a known column (“Tel.=phone”) or as a variable "
            "(“Plan=variable:text”; or number, boolean, date); may be repeated",
        )
        parser.add_argument(
            "--skip",
            action="append",
            default=[],
            metavar="TITLE",
            help="leave the column of this title out; may be repeated",
        )
        parser.add_argument(
            "--rejected",
            type=Path,
            metavar="FILE",
            help="write the bad lines to this file, with their reasons, to be mended",
        )
        parser.add_argument(
            "--encoding", default="", help="of a text file, where it is not told rightly (cp1250)"
        )
        parser.add_argument(
            "--requested-by", default="", metavar="NAME", help="who answers for it (consent log)"
        )
        add_database(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            with path.open("rb") as file:
                report = self._import(file, options)
        except OSError as error:
            raise CommandError(f"{error.filename or path}: {error.strerror}.") from error
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
            choices=_choices(options["column"], options["skip"]),
            encoding=options["encoding"],
        )
        for notice in importer.notices:
            self.stdout.write(notice)
        with ExitStack() as stack:
            rejected = _rejected(importer, options, stack)
            report = self._run(importer, rejected, options)
        if rejected and rejected.count:
            self.stdout.write(f"Rejected lines: {options['rejected']}")
        return report

    def _run(
        self, importer: Importer, rejected: RejectedLines | None, options: dict[str, Any]
    ) -> Report:
        # The bar does not count where it is not shown.
        line = 0
        with tqdm(
            total=importer.total,
            desc=options["kind"].capitalize(),
            unit=" lines",
            disable=not sys.stderr.isatty(),
        ) as bar:

            def heard(outcome: Outcome) -> None:
                nonlocal line
                line = max(line, outcome.number)
                bar.update(max(0, outcome.number - bar.n))
                if rejected and outcome.result is Result.BAD:
                    rejected.add(outcome)
                if said := _said(outcome):
                    with tqdm.external_write_mode():
                        self.stderr.write(f"{options['file']}, line {outcome.number}: {said}")

            try:
                return importer.run(heard, strict=options["strict"])
            except KeyboardInterrupt:
                nothing = options["strict"] or options["dry_run"]
                kept = "Nothing" if nothing else "What was read up to there"
                raise CommandError(f"Stopped at line {line}. {kept} went in.") from None
            finally:
                bar.update(max(0, importer.total - bar.n))

    def _print(self, report: Report, options: dict[str, Any]) -> None:
        counts = [f"{report.counts[result]:,} {result}" for result in list(Result)[:3]]
        for count, words in (
            (report.counts[Result.DIFFERS], "differ from what was sent"),
            (report.stay_unsubscribed, "stay unsubscribed"),
            (report.unknown_companies, "without their company (none, or several, have its name)"),
            (report.counts[Result.BAD], "bad"),
            (report.opt_outs_taken, "of these bring opt-outs, which are entered all the same"),
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


def _choices(columns: Iterable[str], skipped: Iterable[str]) -> dict[str, str]:
    """What ``--column`` and ``--skip`` were given: what columns become, by their titles."""
    choices = dict.fromkeys(skipped, SKIP)
    for text in columns:
        title, sign, choice = text.rpartition("=")
        if not sign:
            raise CommandError(f"{text!r} is not TITLE=FIELD.")
        choices[title] = choice
    return choices


def _rejected(
    importer: Importer, options: dict[str, Any], stack: ExitStack
) -> RejectedLines | None:
    """Where the bad lines are written to, if somebody wants them; what an earlier run left goes."""
    path: Path | None = options["rejected"]
    if path is None:
        return None
    if path.exists() and path.samefile(options["file"]):
        raise CommandError(f"{path} is the file that is imported: name another one.")
    if not path.parent.is_dir():
        raise CommandError(f"{path.parent} is no folder: the bad lines can't be written there.")
    path.unlink(missing_ok=True)

    def open_file() -> TextIO:
        return stack.enter_context(path.open("w", encoding="utf-8", newline=""))

    return RejectedLines(importer.layout, open_file)
