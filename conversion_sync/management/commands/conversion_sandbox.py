"""Serve the local stand-in of the Conversion API."""

from __future__ import annotations

import sqlite3
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from conversion_sync.sandbox import PortInUse, Sandbox, run
from conversion_sync.sandbox.options import DESCRIPTION, add_options, arguments


class Command(BaseCommand):
    """Runs `conversion_sync.sandbox.run`; needs no database and no API key."""

    help = DESCRIPTION
    requires_system_checks: list[str] = []  # noqa: RUF012 - as Django declares it

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run(**arguments(options), announce=self._announce)
        except PortInUse as error:
            raise CommandError(
                _(
                    "Port %(port)s is in use. Stop the program that uses it, or choose another: "
                    "--port or --page-port %(other)s, or 0 for a free one."
                )
                % {"port": error.port, "other": error.port + 2}
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
        self.stdout.write(
            _("The sandbox listens; what arrives, and what may go wrong, is at %s") % box.url
        )
        self.stdout.write(f"CONVERSION_BASE_URL={box.base_url}")
        self.stdout.flush()
