"""Forget what is known of the remote, and push everything as if for the first time."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from tqdm import tqdm

from conversion_sync.management.asking import add_database, confirm
from conversion_sync.management.migrated import DatabaseCommand
from conversion_sync.management.words import counted
from conversion_sync.sync import resync
from conversion_sync.sync.kinds import RECORDS


class Command(DatabaseCommand):
    """``conversion_resync [companies|contacts]``."""

    help = (
        "After a switch of accounts or a restore of either side: forget what is known of the "
        "remote, and push companies and contacts as if for the first time. Engagements and "
        "subscriptions are not sent again; every standing opt-out is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", nargs="?", choices=[*RECORDS], help="default: both")
        parser.add_argument("--no-input", action="store_true", help="don't ask first")
        add_database(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        using, kinds = options["database"], [options["kind"]] if options["kind"] else RECORDS
        counts = {kind: resync.rows_to_forget(kind, using) for kind in kinds}
        what = " and ".join(
            counted(count, str(RECORDS[kind]._meta.verbose_name), kind)
            for kind, count in counts.items()
        )
        if not options["no_input"]:
            confirm(
                self,
                f"This forgets what is known of the remote, and pushes {what} again, with every "
                "standing opt-out.",
            )
        for kind, count in counts.items():
            with tqdm(total=count, unit="row", desc=kind, disable=not sys.stderr.isatty()) as bar:
                resync.forget(kind, using, bar.update)
        self.stdout.write(self.style.SUCCESS(f"{what} will be pushed again, in the background."))
