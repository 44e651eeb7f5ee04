"""Erase a person: here, in the logs, and in Conversion."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db.models import Model

from conversion_sync.conf import conf
from conversion_sync.management.asking import add_database, confirm
from conversion_sync.management.migrated import DatabaseCommand
from conversion_sync.management.words import counted
from conversion_sync.mirrors import Explanation, explain
from conversion_sync.mirrors.sources import origins_of_email
from conversion_sync.models import Contact
from conversion_sync.models.validators import validate_address
from conversion_sync.sync.erasing import Erasure, KeyClash, erase, refuse_clashes


class Command(DatabaseCommand):
    """``conversion_erase EMAIL … [--dry-run]``."""

    help = (
        "Erases people by their emails: contact and engagements, the record in Conversion, and "
        "what logs and history say. Of an opt-out a hash stays: it stands if the address returns. "
        "Exit status 1: something has still to be sent; run it again then."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", nargs="+", help="of the people to erase")
        parser.add_argument("--dry-run", action="store_true", help="say what would be erased")
        parser.add_argument("--no-input", action="store_true", help="don't ask first")
        parser.add_argument("--requested-by", default="", metavar="NAME", help="who asked for it")
        add_database(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        using, emails = options["database"], options["email"]
        for email in emails:
            self._check(using, email)
        if not (options["dry_run"] or options["no_input"]):
            self._ask(len(emails))
        done = [self._erase(using, email, options) for email in emails]
        if not conf.delete_remote:
            self.stdout.write("DELETE_REMOTE is off: delete the record in Conversion by hand.")
        if any(each.waiting for each in done) and not options["dry_run"]:
            raise CommandError(
                "Not all is erased yet: run this again when the above has arrived, or was seen to.",
                returncode=1,
            )

    def _check(self, using: str, email: str) -> None:
        """See that the address is one, of one row, and that no source brings the person back."""
        try:
            validate_address(email)
        except ValidationError as error:
            raise CommandError(f"{email!a}: {' '.join(error.messages)}") from error
        key = str(Contact.normal_key(email))
        try:
            refuse_clashes(using, key)
        except KeyClash as error:
            raise _merge_first(email) from error
        for origin in origins_of_email(using, key):
            source = origin.instance()
            if source is not None and _is_included(source, using):
                raise CommandError(
                    f"{source._meta.label} {source.pk} is mirrored as this contact, and would "
                    "bring it back: delete it, or exclude it by its mirror, first."
                )

    def _ask(self, count: int) -> None:
        people = counted(count, "person", "people")
        confirm(self, f"This erases {people} here and in Conversion. It can't be undone.")

    def _erase(self, using: str, email: str, options: dict[str, Any]) -> Erasure:
        how = {name: options[name] for name in ("requested_by", "dry_run")}
        try:
            done = erase(using, email, **how)
        except KeyClash as error:
            raise _merge_first(email) from error
        self._tell(email, done, "would be erased" if options["dry_run"] else "erased")
        return done

    def _tell(self, email: str, done: Erasure, verb: str) -> None:
        counts = ", ".join(_counted(count, what) for what, count in done.removed.items() if count)
        self.stdout.write(f"{email}: {verb}: {counts or 'nothing'}.")
        if done.keeps_opt_out:
            self.stdout.write("  The opt-out stands: a hash of the address is kept.")
        for each in done.waiting:
            self.stdout.write(f"  Waits for: {each}")


def _counted(count: int, what: str) -> str:
    noun, blank, rest = what.partition(" ")
    return f"{counted(count, noun.removesuffix('s'), noun)}{blank}{rest}"


def _is_included(source: Model, using: str) -> bool:
    """Whether a mirror has the source as a contact, or would have it but for a fault."""
    made = [each for each in explain(source, using=using) if each.kind == "contact"]
    return any(each.is_included or (each.fault and not _is_excluded(each)) for each in made)


def _is_excluded(made: Explanation) -> bool:
    return any(condition.holds is False for condition in made.conditions)


def _merge_first(email: str) -> CommandError:
    return CommandError(
        f"{email!a} is another row in another spelling, too: run conversion_merge first."
    )
