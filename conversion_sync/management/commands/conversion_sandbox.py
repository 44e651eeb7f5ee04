"""Serve the local stand-in of the Conversion API."""

from __future__ import annotations

import sqlite3
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from conversion_sync.sandbox import PortInUse, Sandbox, run
from conversion_sync.sandbox.box import DEFAULT_PORT


class Command(BaseCommand):
    """Runs `conversion_sync.sandbox.run`; needs no database and no API key."""

    help = "Serve a local stand-in of the Conversion API, with a page that shows what arrived."
    requires_system_checks: list[str] = []  # noqa: RUF012 - as Django declares it

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one.")
        parser.add_argument("--host", default="127.0.0.1", help="There is no protection at all.")
        parser.add_argument(
            "--rate", type=float, default=10, help="Requests a second for each key; 0 is no limit."
        )
        parser.add_argument("--latency", type=float, default=0, help="Seconds before each answer.")
        parser.add_argument(
            "--fail",
            action="append",
            default=[],
            metavar="SPEC",
            help="A fault, with its probability: 429:0.1, 500:0.3, drop:0.1, drop-after, hang=5, "
            "html:0.2, truncate, redirect, poison=a@x.example … May be repeated.",
        )
        parser.add_argument("--state", metavar="FILE", help="Keep what arrives in this file.")
        parser.add_argument(
            "--key", action="append", default=[], help="Accept only this API key. May be repeated."
        )
        parser.add_argument(
            "--item-errors",
            action="store_true",
            help="Answer the bad items of a batch one by one, instead of refusing the batch.",
        )
        parser.add_argument("--seed", type=int, help="Make the same choices of faults each time.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run(
                port=options["port"],
                host=options["host"],
                rate=options["rate"],
                latency=options["latency"],
                fail=options["fail"],
                state=options["state"],
                keys=options["key"],
                item_errors=options["item_errors"],
                seed=options["seed"],
                announce=self._announce,
            )
        except PortInUse as error:
            raise CommandError(
                _(
                    "Port %(port)s is in use. Stop the program that uses it, or choose another: "
                    "--port %(other)s, or --port 0 for a free one."
                )
                % {"port": options["port"], "other": options["port"] + 1}
            ) from error
        except ValueError as error:
            raise CommandError(str(error)) from error
        except sqlite3.Error as error:
            raise CommandError(
                _("The state file %(file)s can't be used: %(error)s")
                % {"file": options["state"], "error": error}
            ) from error
        except OSError as error:
            raise CommandError(
                _("Can't listen on %(host)s port %(port)s: %(error)s")
                % {"host": options["host"], "port": options["port"], "error": error.strerror}
            ) from error

    def _announce(self, box: Sandbox) -> None:
        self.stdout.write(_("The sandbox listens; what arrives is shown at %s") % box.url)
        self.stdout.write(f"CONVERSION_BASE_URL={box.base_url}")
        self.stdout.flush()
