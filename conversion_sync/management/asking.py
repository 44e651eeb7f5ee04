"""What several commands are given alike, and what they ask before they do what can't be undone."""

from __future__ import annotations

import datetime
from argparse import ArgumentParser, ArgumentTypeError

from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from conversion_sync.models.database import database

__all__ = ["add_database", "confirm", "moment"]


def add_database(parser: ArgumentParser) -> None:
    """Declare ``--database``: an alias that the settings know."""
    parser.add_argument(
        "--database",
        default=database(),
        choices=tuple(connections),
        help="the alias of the database (default: as the routers have it)",
    )


def moment(text: str) -> datetime.datetime:
    """What reads an option that is a day, or a time; of a day its first moment."""
    try:
        day = parse_date(text) if len(text) <= len("2026-01-31") else None
        found = parse_datetime(text if day is None else f"{text} 00:00")
    except ValueError:  # It looks like one, and the calendar has none such.
        found = None
    if found is None:
        raise ArgumentTypeError(f"{text!r} is no time: write 2026-01-31, or 2026-01-31T12:00")
    return timezone.make_aware(found) if timezone.is_naive(found) else found


def confirm(command: BaseCommand, what: str) -> None:
    """Say what will be done, and go on where a person types “yes”.

    Raises:
        CommandError: anything else was typed, or nobody is there to type.
    """
    command.stdout.write(what)
    try:
        said = input("Type “yes” to go on: ")
    except EOFError:
        raise CommandError("Nobody could be asked: nothing was changed. See --no-input.") from None
    if said.strip().lower() != "yes":
        raise CommandError("Nothing was changed.")
