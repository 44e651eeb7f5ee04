"""Have lists find any part of a name, an address or a phone number."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError

from conversion_sync.management.asking import add_database
from conversion_sync.management.migrated import DatabaseCommand
from conversion_sync.models import trigrams


class Command(DatabaseCommand):
    """``conversion_search [--drop]``."""

    help = (
        "Makes the indexes (PostgreSQL, its extension pg_trgm) by which the admin's lists find any "
        "part of an email, a name, a company, a domain or a phone number. Others can write "
        "meanwhile."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--drop", action="store_true", help="drop them again")
        add_database(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        using = options["database"]
        if not trigrams.is_possible(using):
            raise CommandError("Only PostgreSQL has such indexes: lists look for beginnings.")
        if options["drop"]:
            trigrams.drop(using)
            self.stdout.write("Lists look for beginnings again.")
            return
        try:
            trigrams.make(using)
        except DatabaseError as error:
            raise CommandError(f"The indexes could not be made: {error}") from error
        self.stdout.write("Lists find any part of an email, a name, a company or a phone number.")
