"""``manage.py conversion_check``: settings, key and connection."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core import checks
from django.core.management.base import CommandError

from conversion_sync.api import errors
from conversion_sync.conf import conf
from conversion_sync.management.asking import add_database
from conversion_sync.management.migrated import DatabaseCommand
from conversion_sync.sync.gate import Gate
from conversion_sync.sync.remote import client

__all__ = ["Command"]

#: A contact that nobody has: asking for it harms nothing.
NOBODY = "conversion-sync-check@invalid.example"

#: What to do when the call fails, by the most special class first.
REMEDIES: tuple[tuple[type[errors.ConversionError], str], ...] = (
    (errors.NotSent, "Check the network, the name in BASE_URL, its certificate and any proxy."),
    (errors.NoAnswer, "What answers there is not the API, or is down: check BASE_URL, try again."),
    (errors.ContentRefused, "Something before the API refuses the call: a proxy or a firewall."),
    (errors.ForeignAnswer, "What answers there is not the API: check BASE_URL and any proxy."),
    (errors.Unavailable, "The API is not available now, and said when to come back: wait."),
    (errors.Redirected, "Redirects are never followed: set BASE_URL to where the API really is."),
    (errors.Unauthorized, "The API key is not accepted: set API_KEY to one that is."),
    (errors.RateLimited, "Too many calls with this key: lower RATE_LIMIT, or try again later."),
    (errors.ServerError, "The API itself fails: rows wait and are sent later. Try again."),
    (errors.Refused, "The API refuses this key or this address: ask the vendor for access."),
)


class Command(DatabaseCommand):
    """Prints what is well and what is not; never the key."""

    help = (
        "Checks the settings, the API key and the connection with one harmless call, and says "
        "what to do when something is wrong. Exit status 1 on a failure."
    )
    requires_system_checks: list[str] = []  # noqa: RUF012  # as Django declares it

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_database(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        settings_are_well = self._check_settings()
        if not conf.api_key:
            raise CommandError("There is no API key: set CONVERSION_SYNC['API_KEY'].")
        self._check_connection()
        self._say_gate(options["database"])
        if not settings_are_well:
            raise CommandError("Correct the settings named above.")

    def _check_settings(self) -> bool:
        found = checks.run_checks(tags=["conversion_sync"])
        for message in found:
            self.stderr.write(str(message))
        if not conf.enabled:
            self.stdout.write("Note: ENABLED is False, so rows are marked and nothing is sent.")
        well = not any(message.is_serious() for message in found)
        if well:
            self.stdout.write("Settings: well.")
        return well

    def _check_connection(self) -> None:
        try:
            client().get_contact(NOBODY)
        except (errors.NotFound, errors.ValidationFailed):
            # The API's own answer: it has accepted the key, and knows nobody by that address.
            pass
        except errors.ConfigurationError as error:
            raise CommandError(f"API_KEY or BASE_URL can't be used: {error}") from error
        except errors.ConversionError as error:
            raise CommandError(f"{conf.base_url}: {error}\n{_remedy(error)}") from error
        self.stdout.write(f"Key and connection: well ({conf.base_url}).")

    def _say_gate(self, using: str) -> None:
        status = Gate(using).state().status
        if status in ("closed", "paused"):
            self.stdout.write(f"Note: the gate is {status}; resume it in the admin.")


def _remedy(error: errors.ConversionError) -> str:
    return next((remedy for kind, remedy in REMEDIES if isinstance(error, kind)), "Try again.")
