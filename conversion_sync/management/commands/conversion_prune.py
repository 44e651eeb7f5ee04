"""Delete old lines of the call log."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from conversion_sync.arguments import number
from conversion_sync.conf import conf
from conversion_sync.management.asking import add_database
from conversion_sync.management.migrated import DatabaseCommand
from conversion_sync.management.words import counted
from conversion_sync.sync.prune import prune

#: A hundred years: dates end somewhere.
MOST_DAYS = 36_500


class Command(DatabaseCommand):
    """``conversion_prune [--days N]``."""

    help = "Delete the calls and ended bulk jobs older than CALL_LOG_DAYS. Rows keep their state."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--days", type=number(0, MOST_DAYS), help="default: the setting CALL_LOG_DAYS"
        )
        add_database(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        days = conf.call_log_days if options["days"] is None else options["days"]
        count = prune(days, options["database"])
        self.stdout.write(f"Deleted {counted(count, 'line')} older than {days:g} days.")
