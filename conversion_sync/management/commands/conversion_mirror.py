"""``manage.py conversion_mirror``: look at all sources of the mirrors."""

from __future__ import annotations

import sys
import threading
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandError
from tqdm import tqdm

from conversion_sync.management.asking import add_database, moment
from conversion_sync.management.migrated import DatabaseCommand
from conversion_sync.management.stopping import on_signal
from conversion_sync.management.words import counted
from conversion_sync.mirrors.backfill import Backfill
from conversion_sync.mirrors.decisions import release
from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.registry import registry
from conversion_sync.mirrors.render import Report
from conversion_sync.models import MirrorLink

__all__ = ["Command"]


class Command(DatabaseCommand):
    """``conversion_mirror [MODEL …] [--dry-run] [--since TIME] [--let-leave]``."""

    help = (
        "Looks at all instances of the models that are mirrored, and writes the rows that differ: "
        "what no save told of (update(), bulk_create(), raw SQL, another mapping) is found, and "
        "rows without a source leave. May be stopped (Ctrl-C, SIGTERM); the next one goes on there."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "model", nargs="*", help="such as shop.Customer, or a mirror's label; default: all"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="print what would change, and write nothing"
        )
        parser.add_argument(
            "--since",
            type=moment,
            metavar="TIME",
            help="enter engagements that happened from then on (2026-01-31, or with a time), "
            "though their mirror began later",
        )
        parser.add_argument(
            "--restart", action="store_true", help="from the beginning, wherever one stopped"
        )
        parser.add_argument(
            "--let-leave",
            action="store_true",
            help="let those rows leave that wait for it, because they are so many",
        )
        add_database(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        mirrors = _mirrors(options["model"])
        if options["since"] is not None:
            _check_since(mirrors)
        for declared in mirrors:
            if options["let_leave"]:
                self._tell(declared, release(options["database"], declared), options)
            elif not self._backfill(declared, options):
                raise CommandError("Stopped: the next one goes on there.", returncode=130)

    def _backfill(self, declared: Declared, options: dict[str, Any]) -> bool:
        """Returns whether it came to its end."""
        backfill = Backfill(
            options["database"],
            declared,
            since=options["since"] if declared.kind is MirrorLink.Kind.ENGAGEMENT else None,
            dry_run=options["dry_run"],
            restart=options["restart"],
        )
        stopped = threading.Event()
        with (
            on_signal(stopped.set),
            tqdm(
                total=backfill.count(),
                desc=declared.label,
                unit=" sources",
                disable=not sys.stderr.isatty(),
            ) as bar,
        ):
            for seen in backfill.run(stopped.is_set):
                bar.update(seen)
                if options["dry_run"]:
                    self._print(backfill.report)
                backfill.report.lines.clear()
        self._tell(declared, backfill.report, options)
        return not stopped.is_set()

    def _print(self, report: Report) -> None:
        for line in report.lines:
            self.stdout.write(line)

    def _tell(self, declared: Declared, report: Report, options: dict[str, Any]) -> None:
        counts = ", ".join(f"{count:,} {what}" for what, count in sorted(report.counts.items()))
        would = "would be: " if options["dry_run"] else ""
        self.stdout.write(f"{declared.label}: {would}{counts or 'nothing there'}.")
        held = MirrorLink.objects.using(options["database"]).filter(
            mirror=declared.label, state=MirrorLink.State.HELD
        )
        if count := held.count():
            self.stderr.write(
                f"{counted(count, 'row')} of {declared.label} would leave: too many not to ask. "
                "See why (mirrors.explain), then: "
                f"manage.py conversion_mirror {declared.label} --let-leave"
            )


def _mirrors(names: Sequence[str]) -> list[Declared]:
    """The mirrors of these models, or of these labels."""
    if not names:
        return [*registry]
    found = list[Declared]()
    for name in names:
        these = [
            each
            for each in registry
            if name.lower() in (each.label.lower(), each.model._meta.label_lower)
        ]
        if not these:
            known = ", ".join(sorted({each.model._meta.label for each in registry})) or "none"
            raise CommandError(f"No mirror of {name!r}. There are mirrors of: {known}.")
        found += these
    return [each for each in registry if each in found]


def _check_since(mirrors: Sequence[Declared]) -> None:
    for each in mirrors:
        words = dict(each.words())
        if each.kind is MirrorLink.Kind.ENGAGEMENT and "occurred_at" not in words:
            raise CommandError(f"{each.label} does not map occurred_at: --since can't be told.")
